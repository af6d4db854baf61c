//! A door between the middleware and the ERP that notes when requests go through: bytes pass unchanged.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use model::Problem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

const BUFFER: usize = 64 * 1024;
/// What the requests of a sweep ask for: they serve no order.
const SWEEP: &[u8] = b"LastChange";

/// The door.
pub(crate) struct Tap {
    /// Where it is.
    pub(crate) address: SocketAddr,
    first: Arc<Mutex<Option<Instant>>>,
}

impl Tap {
    /// Opens a door to this address.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn open(target: String) -> Result<Self, Problem> {
        let no_port = |error: std::io::Error| {
            Problem::new("IL-DEMO-020", format!("there is no free port: {error}"), "Close some programs and try again")
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        let first = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&first);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server, Some(Arc::clone(&noted))));
                tokio::spawn(pass(from_server, to_client, None));
            }
        });
        Ok(Self { address, first })
    }

    /// Forgets what was noted.
    pub(crate) fn arm(&self) {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// When the first request went through since.
    pub(crate) fn first(&self) -> Option<Instant> {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, noted: Option<Arc<Mutex<Option<Instant>>>>) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        if let Some(noted) = &noted
            && (bytes.starts_with(b"POST ") || bytes.starts_with(b"GET "))
            && !bytes.windows(SWEEP.len()).any(|window| window == SWEEP)
        {
            noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        }
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_pass_and_are_noted_but_for_sweeps() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = server.local_addr().expect("an address").to_string();
        let tap = Tap::open(target).await.expect("a port");
        let mut client = TcpStream::connect(tap.address).await.expect("connected");
        let (mut served, _) = server.accept().await.expect("accepted");
        let mut buffer = [0; 64];
        client.write_all(b"GET /x?$filter=LastChangeDateTime HTTP/1.1").await.expect("sent");
        assert!(served.read(&mut buffer).await.expect("read") > 0);
        assert!(tap.first().is_none());
        client.write_all(b"POST /x HTTP/1.1").await.expect("sent");
        assert_eq!(served.read(&mut buffer).await.expect("read"), 16);
        assert!(tap.first().is_some());
        tap.arm();
        assert!(tap.first().is_none());
    }
}
