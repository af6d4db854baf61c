//! HTTP as every connector needs it: one kind of client, bounded answers, and errors that say whether anything can have
//! changed on the other side.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use model::Problem;

use crate::{CallError, ErrorClass};

/// Largest answer that [`send`]'s callers take by default, in bytes after decompression.
pub const BODY_MAX: usize = 32 * 1024 * 1024;

/// How many bytes of an answer that is not understood are shown to a person.
const EXCERPT_MAX: usize = 300;

/// How a client behaves. The defaults suit a business system on the internet.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Longest time for a whole request, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Longest time for connecting, with the TLS handshake.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept. Shorter than servers keep theirs, so that a request rarely meets a
    /// connection that is just being closed.
    pub idle_timeout: Duration,
    /// How many unused connections are kept for each host.
    pub idle_connections_max: usize,
    /// Whether cookies are kept and sent back (SAP sessions).
    pub cookies: bool,
    /// Certificates in PEM that are trusted besides the system's own.
    pub ca_pem: Option<Vec<u8>>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(50),
            idle_connections_max: 64,
            cookies: false,
            ca_pem: None,
        }
    }
}

/// A client with pooled connections: rustls, gzip, no redirects (they would carry credentials elsewhere), no system proxy.
///
/// # Errors
/// When the certificates in [`ClientOptions::ca_pem`] cannot be read, or TLS cannot be set up.
pub fn client(options: &ClientOptions) -> Result<reqwest::Client, Problem> {
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("interlock/", env!("CARGO_PKG_VERSION")))
        .timeout(options.timeout)
        .connect_timeout(options.connect_timeout.min(options.timeout))
        .pool_idle_timeout(options.idle_timeout)
        .pool_max_idle_per_host(options.idle_connections_max)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .cookie_store(options.cookies);
    if let Some(pem) = &options.ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(Problem::new(
                "IL-CONN-001",
                "the file of trusted certificates holds no certificate that can be read",
                "Give a PEM file with at least one `BEGIN CERTIFICATE` block",
            ));
        }
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|error| {
        Problem::new(
            "IL-CONN-002",
            format!("the HTTP client cannot be set up: {}", with_causes(&error)),
            "Check the trusted certificates of this machine and of the connection",
        )
    })
}

/// What a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The request changes nothing: a lost answer is [`ErrorClass::Unavailable`].
    Read,
    /// The request may have changed something: a lost answer is [`ErrorClass::Ambiguous`].
    Write,
}

/// An answer of any status, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
}

impl Answer {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How long the system asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers, Timestamp::now())
    }

    /// The beginning of the body on one line, for messages about an answer that is not understood.
    #[must_use]
    pub fn excerpt(&self) -> String {
        excerpt(&self.body)
    }
}

/// Sends a request and reads the answer, whatever its status, up to `body_max` bytes.
///
/// # Errors
/// `connect` (Unavailable: nothing was sent), `timeout` or `connection-lost` (by `effect`), `answer-too-large` (Rejected
/// for reads, Ambiguous for writes), `request` (Misconfigured: the request itself cannot be built).
pub async fn send(request: reqwest::RequestBuilder, effect: Effect, body_max: usize) -> Result<Answer, CallError> {
    let mut response = request.send().await.map_err(|error| classify(&error, effect))?;
    let announced = response.content_length().unwrap_or(0);
    if announced > body_max as u64 {
        return Err(too_large(body_max, effect));
    }
    let first = response.chunk().await.map_err(|error| classify(&error, effect))?.unwrap_or_default();
    let mut body = first;
    let mut joined: Option<BytesMut> = None;
    // Most answers are one chunk; only longer ones are copied together.
    while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error, effect))? {
        let buffer = joined.get_or_insert_with(|| {
            let mut buffer = BytesMut::with_capacity((announced as usize).max(body.len() + chunk.len()).min(body_max));
            buffer.extend_from_slice(&body);
            buffer
        });
        if buffer.len() + chunk.len() > body_max {
            return Err(too_large(body_max, effect));
        }
        buffer.extend_from_slice(&chunk);
    }
    if let Some(joined) = joined {
        body = joined.freeze();
    }
    if body.len() > body_max {
        return Err(too_large(body_max, effect));
    }
    let status = response.status();
    Ok(Answer { status, headers: std::mem::take(response.headers_mut()), body })
}

/// What a failed exchange means: whether the request can have reached the system.
#[must_use]
pub fn classify(error: &reqwest::Error, effect: Effect) -> CallError {
    let unanswered = match effect {
        Effect::Read => ErrorClass::Unavailable,
        Effect::Write => ErrorClass::Ambiguous,
    };
    if error.is_builder() {
        let message = format!("the request cannot be built: {}", with_causes(error));
        return CallError::new(ErrorClass::Misconfigured, "request", message);
    }
    if error.is_connect() {
        let message = format!("the system cannot be reached: {}", with_causes(error));
        return CallError::new(ErrorClass::Unavailable, "connect", message);
    }
    if error.is_timeout() {
        return CallError::new(unanswered, "timeout", "no answer came in time");
    }
    let message = format!("the connection was lost before the whole answer came: {}", with_causes(error));
    CallError::new(unanswered, "connection-lost", message)
}

fn too_large(body_max: usize, effect: Effect) -> CallError {
    let class = match effect {
        Effect::Read => ErrorClass::Rejected,
        Effect::Write => ErrorClass::Ambiguous,
    };
    CallError::new(class, "answer-too-large", format!("the answer is larger than {body_max} bytes"))
}

/// The wait that a `Retry-After` header asks for, in either of its forms (RFC 9110, section 10.2.3); at most a day.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    const WAIT_MAX: u64 = 24 * 60 * 60;
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            u64::try_from(until.as_second().saturating_sub(now.as_second())).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds.min(WAIT_MAX)))
}

/// The beginning of a body on one line.
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_MAX)]);
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if body.len() > EXCERPT_MAX {
        line.push('…');
    }
    line
}

/// An error with everything that caused it on one line; reqwest's own message alone never says why.
fn with_causes(error: &reqwest::Error) -> String {
    let mut parts = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        // Wrappers repeat what they wrap.
        if parts.last().is_none_or(|last: &String| !last.contains(&text)) {
            parts.push(text);
        }
        cause = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that answers every connection with these bytes and hangs up.
    async fn server(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer).await;
            }
        });
        format!("http://{address}/")
    }

    fn quick() -> reqwest::Client {
        client(&ClientOptions { timeout: Duration::from_secs(5), ..ClientOptions::default() }).expect("a client")
    }

    #[tokio::test]
    async fn reads_an_answer_of_any_status() {
        let url = server(b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nbusy").await;
        let answer = send(quick().get(url), Effect::Read, 100).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), &*answer.body), (503, &b"busy"[..]));
        assert_eq!(answer.retry_after(), Some(Duration::from_secs(7)));
    }

    #[tokio::test]
    async fn a_hung_up_write_is_ambiguous_and_a_read_is_not() {
        let url = server(b"").await;
        let error = send(quick().post(&url), Effect::Write, 100).await.expect_err("lost");
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Ambiguous, "connection-lost"));
        let error = send(quick().get(&url), Effect::Read, 100).await.expect_err("lost");
        assert_eq!(error.class, ErrorClass::Unavailable);
        let cut = server(b"HTTP/1.1 201 Created\r\ncontent-length: 10\r\n\r\nhalf").await;
        let error = send(quick().post(cut), Effect::Write, 100).await.expect_err("lost");
        assert_eq!(error.class, ErrorClass::Ambiguous);
    }

    #[tokio::test]
    async fn nobody_listening_means_that_nothing_changed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        drop(listener);
        let error = send(quick().post(url), Effect::Write, 100).await.expect_err("refused");
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Unavailable, "connect"));
        assert!(error.message.contains("refused"), "{}", error.message);
    }

    #[tokio::test]
    async fn a_silent_server_times_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let options = ClientOptions { timeout: Duration::from_millis(200), ..ClientOptions::default() };
        let error =
            send(client(&options).expect("a client").post(url), Effect::Write, 100).await.expect_err("no answer");
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Ambiguous, "timeout"));
    }

    #[tokio::test]
    async fn answers_are_bounded() {
        let url = server(b"HTTP/1.1 200 OK\r\n\r\n0123456789").await;
        assert_eq!(send(quick().get(&url), Effect::Read, 9).await.expect_err("too large").class, ErrorClass::Rejected);
        assert_eq!(
            send(quick().post(&url), Effect::Write, 9).await.expect_err("too large").class,
            ErrorClass::Ambiguous
        );
        assert_eq!(send(quick().get(&url), Effect::Read, 10).await.expect("it fits").body.len(), 10);
    }

    #[test]
    fn both_forms_of_retry_after_are_understood() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().expect("an instant");
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().expect("a header"));
            retry_after(&headers, now)
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Mon, 23 Nov 2026 10:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Mon, 23 Nov 2026 09:01:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999"), Some(Duration::from_secs(86_400)));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn refuses_a_certificate_file_without_certificates() {
        let options = ClientOptions { ca_pem: Some(b"hello".to_vec()), ..ClientOptions::default() };
        assert_eq!(client(&options).expect_err("no certificate").code, "IL-CONN-001");
    }
}
