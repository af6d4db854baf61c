//! Where a service is, and the connection to it.

use std::time::Duration;

use model::Value;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::http::text_of;
use crate::{Direct, Failure};

/// Longest time for connecting, with the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TLS_PORT: i64 = 443;

/// The address of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    tls: bool,
    host: String,
    port: u16,
}

impl Target {
    /// Reads `{ host, port }`: over TLS where the host begins with `https://` or the port is 443.
    pub(super) fn read(service: &Value) -> Result<Self, Failure> {
        let given = text_of(service.get("host"));
        let (scheme, rest) = given.split_once("://").unwrap_or(("", &given));
        let rest = rest.trim_end_matches('/');
        let (host, own_port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, port.parse().ok())
            }
            _ => (rest, None),
        };
        let port = service.get("port").as_i64().or(own_port);
        let tls = scheme == "https" || (scheme.is_empty() && port == Some(TLS_PORT));
        let port = port.unwrap_or(if tls { TLS_PORT } else { 80 });
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        match (host.is_empty() || !matches!(scheme, "" | "http" | "https"), port) {
            (false, Some(port)) => Ok(Self { tls, host: host.to_owned(), port }),
            _ => Err(Failure::configuration("`service` needs a host name and a port between 1 and 65535")),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl Direct {
    /// A connection, kept for the calls that follow.
    pub(super) async fn channel(&self, target: &Target) -> Result<Channel, Failure> {
        if let Some(channel) = self.channels.get(target) {
            return Ok(channel);
        }
        let scheme = if target.tls { "https" } else { "http" };
        let address = format!("{scheme}://{}", target.name());
        let wrong = |error: &dyn std::error::Error| {
            Failure::configuration(format!("`{address}` cannot be called: {}", with_causes(error)))
        };
        let mut endpoint = Endpoint::from_shared(address.clone())
            .map_err(|error| wrong(&error))?
            .connect_timeout(CONNECT_TIMEOUT.min(self.options.timeout))
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(30)));
        if target.tls {
            let mut tls = ClientTlsConfig::new().with_native_roots();
            if let Some(pem) = &self.options.ca_pem {
                tls = tls.ca_certificate(Certificate::from_pem(pem));
            }
            endpoint = endpoint.tls_config(tls).map_err(|error| wrong(&error))?;
        }
        let channel = endpoint.connect().await.map_err(|error| {
            let detail = format!("the service at {} cannot be reached: {}", target.name(), with_causes(&error));
            Failure::communication(503, detail)
        })?;
        self.channels.put(target.clone(), channel.clone());
        Ok(channel)
    }
}

/// An error with everything that caused it on one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_with_its_scheme_and_port() {
        let read = |host: &str, port: Option<i64>| {
            let mut service = Value::object([("host", host)]);
            if let Some(port) = port {
                service.set("port", port);
            }
            Target::read(&service).map(|target| (target.tls, target.name())).ok()
        };
        assert_eq!(read("localhost", Some(5011)), Some((false, "localhost:5011".to_owned())));
        assert_eq!(read("api.example", Some(443)), Some((true, "api.example:443".to_owned())));
        assert_eq!(read("https://api.example", None), Some((true, "api.example:443".to_owned())));
        assert_eq!(read("https://api.example:8443/", None), Some((true, "api.example:8443".to_owned())));
        assert_eq!(read("http://api.example", Some(443)), Some((false, "api.example:443".to_owned())));
        assert_eq!(read("[::1]", Some(80)), Some((false, "[::1]:80".to_owned())));
        for (host, port) in [("", None), ("a", Some(0)), ("a", Some(70_000)), ("ftp://a", None)] {
            assert_eq!(read(host, port), None, "{host}");
        }
    }
}
