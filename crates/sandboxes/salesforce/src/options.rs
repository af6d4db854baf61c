//! How the simulated org is set up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a simulated Salesforce org is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the REST API listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where the Pub/Sub API listens (gRPC over TLS); port 0 takes any free one.
    pub pubsub: SocketAddr,
    /// Files of objects and fields that an administrator added, laid over the standard ones in their order.
    pub metadata: Vec<PathBuf>,
    /// Consumer key of the app.
    pub client_id: String,
    /// Consumer secret of the app.
    pub client_secret: String,
    /// The user that everybody acts as.
    pub username: String,
    /// The RSA public key (PEM) that assertions of the JWT bearer flow are verified with; without it they are refused.
    pub public_key_pem: Option<String>,
    /// Where the certificate (PEM) is written that clients of the Pub/Sub API have to trust.
    pub ca_file: Option<PathBuf>,
    /// Where the draws of faults start.
    pub seed: u64,
    /// How long events can be replayed.
    pub retention: Duration,
    /// Faults that happen from the start, with their rates.
    pub faults: Vec<(String, f64)>,
}

impl Default for Options {
    fn default() -> Self {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: local,
            pubsub: local,
            metadata: Vec::new(),
            client_id: "interlock".to_owned(),
            client_secret: "sandbox".to_owned(),
            username: "integration@interlock.example".to_owned(),
            public_key_pem: None,
            ca_file: None,
            seed: 1,
            retention: Duration::from_secs(72 * 3600),
            faults: Vec::new(),
        }
    }
}
