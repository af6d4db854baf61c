//! Starting and stopping: the ports of REST and of Pub/Sub, and the certificate of the latter.

use std::net::SocketAddr;
use std::sync::Arc;

use model::Problem;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use sandbox::faults::Faults;
use sandbox::http::{Serving, accept, bind};
use tonic::transport::{Identity, ServerTlsConfig};

use super::gate::Gate;
use super::{control, oauth, pubsub};
use crate::options::Options;
use crate::org::{FAULTS, Org};
use crate::{compile, duplicates, metadata};

/// A running org.
#[derive(Debug)]
pub struct Running {
    /// Where the REST API is: `http://127.0.0.1:8000`.
    pub url: String,
    /// Where the Pub/Sub API is: `https://localhost:7443`.
    pub pubsub: String,
    /// The certificate (PEM) that clients of the Pub/Sub API have to trust.
    pub ca_pem: String,
    /// Its work.
    pub serving: Serving,
}

/// Starts a simulated Salesforce org.
///
/// # Errors
/// When a port cannot be bound (`IL-SANDBOX-001`), a fault does not exist (`IL-SANDBOX-002`), a metadata file is wrong
/// (`IL-SANDBOX-010` to `012`), or the key or certificate cannot be used (`IL-SANDBOX-013`, `014`).
pub async fn serve(options: Options) -> Result<Running, Problem> {
    let faults = Arc::new(Faults::new(&FAULTS, options.seed));
    for (name, rate) in &options.faults {
        faults.set_rate(name, *rate).map_err(|error| {
            Problem::new("IL-SANDBOX-002", error.to_string(), "Correct the faults of the Salesforce sandbox")
        })?;
    }
    let metadata = metadata::read(&options.metadata)?;
    let schema = compile::compile(&metadata)?;
    let rules = duplicates::rules(&schema, metadata.duplicate_rules)
        .map_err(|message| Problem::new("IL-SANDBOX-012", message, "Correct the metadata file"))?;
    let key = oauth::public_key(options.public_key_pem.as_deref())?.map(Arc::new);
    let rest = bind("the Salesforce sandbox", options.listen).await?;
    let grpc = bind("the Pub/Sub API of the Salesforce sandbox", options.pubsub).await?;
    let url = format!("http://{}", rest.local_addr().unwrap_or(options.listen));
    let pubsub_address = grpc.local_addr().unwrap_or(options.pubsub);
    let certificate = Certificate::new(pubsub_address).map_err(|error| {
        let message = format!("the Salesforce sandbox cannot make a certificate: {error}");
        Problem::new("IL-SANDBOX-013", message, "Give it a plain address such as 127.0.0.1 to listen on")
    })?;
    if let Some(file) = &options.ca_file {
        std::fs::write(file, &certificate.authority).map_err(|error| {
            let message = format!("{} cannot be written: {error}", file.display());
            Problem::new("IL-SANDBOX-013", message, "Choose a file that may be written for the certificate")
        })?;
    }
    let ca_pem = certificate.authority.clone();
    let org = Arc::new(Org::new(options, url.clone(), schema, rules, faults));
    let gate = Gate { org: Arc::clone(&org), key };
    let controls = control::routes(Arc::clone(&org));
    let events = pubsub::serve(org, grpc, certificate.tls());
    let serving = Serving::start(async move {
        tokio::select! {
            () = accept(rest, controls, move |request| gate.clone().answer(request)) => {}
            // Without events the org goes on.
            () = async {
                if let Err(error) = events.await {
                    tracing::error!(%error, "the Pub/Sub API ended");
                }
                std::future::pending::<()>().await;
            } => {}
        }
    });
    // A name rather than an address: not every gRPC client takes certificates for addresses.
    let host = if pubsub_address.ip().is_loopback() { "localhost".to_owned() } else { pubsub_address.ip().to_string() };
    let pubsub = format!("https://{host}:{}", pubsub_address.port());
    Ok(Running { url, pubsub, ca_pem, serving })
}

/// A certificate of an authority that lives as long as the process.
struct Certificate {
    authority: String,
    own: String,
    key: String,
}

impl Certificate {
    fn new(address: SocketAddr) -> Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "Interlock sandbox authority");
        let authority_certificate = authority.self_signed(&authority_key)?;
        let key = KeyPair::generate()?;
        let mut own = CertificateParams::new(vec!["localhost".to_owned(), address.ip().to_string()])?;
        own.distinguished_name.push(DnType::CommonName, "localhost");
        own.use_authority_key_identifier_extension = true;
        let own = own.signed_by(&key, &Issuer::new(authority, authority_key))?;
        Ok(Self { authority: authority_certificate.pem(), own: own.pem(), key: key.serialize_pem() })
    }

    fn tls(&self) -> ServerTlsConfig {
        ServerTlsConfig::new().identity(Identity::from_pem(&self.own, &self.key))
    }
}
