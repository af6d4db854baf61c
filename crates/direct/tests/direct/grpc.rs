//! `call: grpc` against a server of the same interface, in plain text and over TLS.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use direct::{Direct, Failure, Options};
use futures::{FutureExt as _, StreamExt as _};
use model::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;
use workflow::Protocol;

use crate::support::{call, nobody, serve, stand_ins, told, typed, with};

const INTERFACE: &str = r#"
syntax = "proto3";
package greet.v1;
import "google/protobuf/timestamp.proto";
import "shared/money.proto";
service Greeter {
  rpc SayHello(Hello) returns (Greeting);
  rpc Count(Hello) returns (stream Greeting);
  rpc Collect(stream Hello) returns (Greeting);
  rpc Whoami(Hello) returns (Greeting);
  rpc Fail(Hello) returns (Greeting);
  rpc Wait(Hello) returns (Greeting);
}
message Hello { string name = 1; int64 amount = 2; google.protobuf.Timestamp at = 3; shared.Money price = 4; }
message Greeting { string text = 1; int64 count = 2; repeated string tags = 3; bool first_time = 4; }
"#;
const MONEY: &str = r#"syntax = "proto3"; package shared; message Money { string currency = 1; int32 cents = 2; }"#;

#[derive(Clone, PartialEq, prost::Message)]
struct Instant {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}
#[derive(Clone, PartialEq, prost::Message)]
struct Money {
    #[prost(string, tag = "1")]
    currency: String,
    #[prost(int32, tag = "2")]
    cents: i32,
}
#[derive(Clone, PartialEq, prost::Message)]
struct Hello {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "2")]
    amount: i64,
    #[prost(message, optional, tag = "3")]
    at: Option<Instant>,
    #[prost(message, optional, tag = "4")]
    price: Option<Money>,
}
#[derive(Clone, PartialEq, prost::Message)]
struct Greeting {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(int64, tag = "2")]
    count: i64,
    #[prost(string, repeated, tag = "3")]
    tags: Vec<String>,
    #[prost(bool, tag = "4")]
    first_time: bool,
}

fn greeting(text: impl Into<String>) -> Greeting {
    Greeting { text: text.into(), ..Greeting::default() }
}

#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greet.v1.Greeter";
}

impl tower::Service<axum::http::Request<Body>> for Greeter {
    type Response = axum::http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::http::Request<Body>) -> Self::Future {
        let mut server = Grpc::new(ProstCodec::<Greeting, Hello>::default());
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match method.as_str() {
                "Count" => {
                    let count = service_fn(|request: Request<Hello>| async move {
                        let amount = request.into_inner().amount;
                        let each = (1..=amount).map(|count| Ok(Greeting { count, ..greeting("and") }));
                        Ok(Response::new(futures::stream::iter(each)))
                    });
                    server.server_streaming(count, request).await
                }
                "Collect" => {
                    let collect = service_fn(|request: Request<Streaming<Hello>>| async move {
                        let names: Vec<_> =
                            request.into_inner().map(|hello| hello.map(|hello| hello.name)).collect().await;
                        let names = names.into_iter().collect::<Result<Vec<_>, Status>>()?;
                        Ok(Response::new(Greeting { tags: names, ..greeting("all") }))
                    });
                    server.client_streaming(collect, request).await
                }
                _ => {
                    let method = Arc::new(method);
                    let one = service_fn(move |request: Request<Hello>| answer(Arc::clone(&method), request));
                    server.unary(one, request).await
                }
            })
        })
    }
}

async fn answer(method: Arc<String>, request: Request<Hello>) -> Result<Response<Greeting>, Status> {
    let authorization = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let authorization = authorization.unwrap_or_default().to_owned();
    let hello = request.into_inner();
    match method.as_str() {
        "SayHello" => {
            let (at, price) = (hello.at.unwrap_or_default(), hello.price.unwrap_or_default());
            let text = format!(
                "Hello, {}: {} at {}, {} {}",
                hello.name, hello.amount, at.seconds, price.cents, price.currency
            );
            Ok(Response::new(Greeting { count: hello.amount, first_time: true, ..greeting(text) }))
        }
        "Whoami" if authorization.ends_with("2-t0ken") || authorization.starts_with("Basic ") => {
            Ok(Response::new(greeting(authorization)))
        }
        "Whoami" => Err(Status::unauthenticated(format!("not with {authorization}"))),
        "Wait" => std::future::pending().await,
        _ => Err(match hello.name.as_str() {
            "gone" => Status::not_found("no such greeting"),
            "late" => Status::deadline_exceeded("too late"),
            "may not" => Status::permission_denied("you may not"),
            _ => Status::unavailable("not now"),
        }),
    }
}

struct Running {
    port: u16,
    folder: TempDir,
    server: JoinHandle<()>,
}

impl Running {
    fn direct(&self, options: Options) -> Direct {
        with(Options { folder: self.folder.path().to_owned(), ..options })
    }

    /// Waits until the server has closed its port and its connections.
    async fn ended(&self) {
        while !self.server.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    async fn call(&self, direct: &Direct, method: &str, arguments: &str) -> Result<Value, Failure> {
        self.call_with(direct, method, arguments, "").await
    }

    async fn call_with(&self, direct: &Direct, method: &str, arguments: &str, more: &str) -> Result<Value, Failure> {
        let text = format!(
            r#"{{"proto":{{"endpoint":{{"uri":"file://api/greet.proto"}}}},"method":"{method}","arguments":{arguments},
                "service":{{"name":"greet.v1.Greeter","host":"localhost","port":{}{more}}}}}"#,
            self.port
        );
        direct.perform(Protocol::Grpc, &call(&text, ""), "").await
    }
}

async fn greeter(tls: Option<ServerTlsConfig>) -> Running {
    start(tls, futures::future::pending()).await
}

async fn greeter_until(stop: impl Future<Output = ()> + Send + 'static) -> Running {
    start(None, stop).await
}

async fn start(tls: Option<ServerTlsConfig>, stop: impl Future<Output = ()> + Send + 'static) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).expect("a certificate");
    }
    let serving = server.add_service(Greeter).serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop);
    let server = tokio::spawn(async move { serving.await.expect("a server") });
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in
        [("api/greet.proto", INTERFACE), ("shared/money.proto", MONEY), ("api/broken.proto", "syntax = ")]
    {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    Running { port, folder, server }
}

#[tokio::test]
async fn a_call_takes_and_gives_data() {
    let running = greeter(None).await;
    let direct = running.direct(Options::default());
    let arguments =
        r#"{"name":"Anna","amount":9007199254740993,"at":"1970-01-01T00:01:00Z","price":{"currency":"EUR","cents":5}}"#;
    let given = running.call(&direct, "SayHello", arguments).await.expect("an answer");
    assert_eq!(
        given.to_string(),
        r#"{"text":"Hello, Anna: 9007199254740993 at 60, 5 EUR","count":"9007199254740993","firstTime":true}"#
    );
    let given = running.call(&direct, "SayHello", "null").await.expect("an answer");
    assert_eq!(given.get("text").as_str(), Some("Hello, : 0 at 0, 0 "));
}

#[tokio::test]
async fn streams_are_lists() {
    let running = greeter(None).await;
    let direct = running.direct(Options::default());
    let given = running.call(&direct, "Count", r#"{"amount":3}"#).await.expect("an answer");
    let counts: Vec<&str> = given.items().iter().filter_map(|item| item.get("count").as_str()).collect();
    assert_eq!(counts, ["1", "2", "3"]);
    assert_eq!(running.call(&direct, "Count", "{}").await, Ok(Value::from(Vec::new())));
    let failure = running.call(&direct, "Count", r#"{"amount":10001}"#).await.expect_err("too many");
    assert_eq!((told(&failure).0, told(&failure).1), (429, "communication"));
    let given = running.call(&direct, "Collect", r#"[{"name":"a"},{"name":"b"}]"#).await.expect("an answer");
    assert_eq!(given.get("tags").to_string(), r#"["a","b"]"#);
}

#[tokio::test]
async fn the_status_of_a_call_is_its_fault() {
    let running = greeter(None).await;
    let direct = running.direct(Options::default());
    for (name, status, kind, code) in [
        ("gone", 404, "communication", "NOT_FOUND"),
        ("late", 504, "timeout", "DEADLINE_EXCEEDED"),
        ("may not", 403, "authorization", "PERMISSION_DENIED"),
        ("other", 503, "communication", "UNAVAILABLE"),
    ] {
        let failure = running.call(&direct, "Fail", &format!(r#"{{"name":"{name}"}}"#)).await.expect_err(name);
        assert_eq!((told(&failure).0, told(&failure).1, failure.may_have_happened), (status, kind, false), "{failure}");
        assert_eq!(failure.fault.data.get("code"), &Value::from(code));
    }
    let failure = running.call(&direct, "Whoami", "{}").await.expect_err("nobody");
    assert_eq!((told(&failure).0, told(&failure).1), (401, "authentication"));
}

#[tokio::test]
async fn no_answer_says_whether_anything_can_have_happened() {
    let mut running = greeter(None).await;
    let (stopping, stop) = tokio::sync::oneshot::channel::<()>();
    let direct = running.direct(Options { timeout: Duration::from_secs(1), ..Options::default() });
    let failure = running.call(&direct, "Wait", "{}").await.expect_err("silence");
    assert_eq!((told(&failure).0, told(&failure).1, failure.may_have_happened), (504, "timeout", true));
    let stopped = greeter_until(stop.map(drop)).await;
    assert!(stopped.call(&direct, "SayHello", "{}").await.is_ok());
    drop(stopping);
    stopped.ended().await;
    let failure = stopped.call(&direct, "SayHello", "{}").await.expect_err("stopped");
    assert_eq!(
        (told(&failure).0, told(&failure).1, failure.may_have_happened),
        (503, "communication", false),
        "{failure}"
    );
    running.port = nobody().await.port();
    let failure = running.call(&direct, "SayHello", "{}").await.expect_err("nobody");
    assert_eq!((told(&failure).0, told(&failure).1, failure.may_have_happened), (503, "communication", false));
}

#[tokio::test]
async fn what_does_not_fit_the_interface_is_said() {
    let running = greeter(None).await;
    let direct = running.direct(Options::default());
    for (method, arguments, kind, named) in [
        ("SayHallo", "{}", "configuration", "did you mean `SayHello`?"),
        ("SayHello", r#"{"nam":"x"}"#, "validation", "nam"),
        ("SayHello", r#"{"amount":"many"}"#, "validation", "greet.v1.Hello"),
        ("SayHello", "[]", "validation", "greet.v1.Hello"),
    ] {
        let failure = running.call(&direct, method, arguments).await.expect_err(method);
        assert_eq!(told(&failure).1, kind, "{failure}");
        assert!(told(&failure).2.contains(named), "{failure}");
    }
    for (proto, service, host, named) in [
        ("api/greet.proto", "greet.v1.Greter", "localhost", "did you mean `greet.v1.Greeter`?"),
        ("api/broken.proto", "greet.v1.Greeter", "localhost", "broken.proto"),
        ("api/none.proto", "greet.v1.Greeter", "localhost", "none.proto"),
        ("api/greet.proto", "greet.v1.Greeter", "ftp://localhost", "host"),
    ] {
        let text = format!(
            r#"{{"proto":{{"endpoint":{{"uri":"{proto}"}}}},"method":"SayHello","service":{{"name":"{service}","host":"{host}","port":1}}}}"#
        );
        let failure = direct.perform(Protocol::Grpc, &call(&text, ""), "").await.expect_err(proto);
        assert_eq!(told(&failure).1, "configuration", "{failure}");
        assert!(told(&failure).2.contains(named), "{failure}");
    }
    std::fs::remove_file(running.folder.path().join("shared/money.proto")).expect("a file");
    let direct = running.direct(Options::default());
    let failure = running.call(&direct, "SayHello", "{}").await.expect_err("an import is gone");
    assert!(told(&failure).2.contains("shared/money.proto"), "{failure}");
}

#[tokio::test]
async fn credentials_go_with_the_call_and_are_renewed_once() {
    let running = greeter(None).await;
    let tokens = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tokens);
    let base =
        serve(
            axum::Router::new().route(
                "/oauth2/token",
                axum::routing::post(move || {
                    let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                    async move {
                        typed("application/json", format!(r#"{{"access_token":"{number}-t0ken","expires_in":3600}}"#))
                    }
                }),
            ),
        )
        .await;
    let secrets = stand_ins(&[("login", r#"{"username":"anna","password":"pass-word"}"#), ("wrong", "wr0ng-token")]);
    let direct = running.direct(Options { secrets, ..Options::default() });
    let basic = r#","authentication":{"basic":{"use":"login"}}"#;
    let given = running.call_with(&direct, "Whoami", "{}", basic).await.expect("an answer");
    assert_eq!(given.get("text").as_str(), Some("Basic YW5uYTpwYXNzLXdvcmQ="));
    let failure = running.call_with(&direct, "Whoami", "{}", r#","authentication":{"bearer":{"use":"wrong"}}"#).await;
    let failure = failure.expect_err("refused");
    assert!(!format!("{failure:?}").contains("wr0ng") && told(&failure).2.contains("***"), "{failure:?}");
    let digest = r#","authentication":{"digest":{"use":"login"}}"#;
    let failure = running.call_with(&direct, "Whoami", "{}", digest).await.expect_err("no digest");
    assert_eq!(told(&failure).1, "configuration");
    let oauth = format!(
        r#","authentication":{{"oauth2":{{"authority":"{base}","grant":"client_credentials","client":{{"id":"c","secret":"s"}}}}}}"#
    );
    // The first token is refused when it has just come, and replaced when it was at hand.
    let failure = running.call_with(&direct, "Whoami", "{}", &oauth).await.expect_err("refused");
    assert_eq!((failure.fault.status, tokens.load(Ordering::SeqCst)), (401, 1));
    let given = running.call_with(&direct, "Whoami", "{}", &oauth).await.expect("an answer");
    assert_eq!((given.get("text").as_str(), tokens.load(Ordering::SeqCst)), (Some("Bearer 2-t0ken"), 2));
}

#[tokio::test]
async fn an_interface_is_fetched_with_its_imports() {
    let running = greeter(None).await;
    let base = serve(
        axum::Router::new()
            .route("/protos/api/greet.proto", axum::routing::get(|| async { typed("text/plain", INTERFACE) }))
            .route("/protos/shared/money.proto", axum::routing::get(|| async { typed("text/plain", MONEY) })),
    )
    .await;
    let direct = running.direct(Options::default());
    let text = format!(
        r#"{{"proto":{{"endpoint":{{"uri":"BASE/protos/api/greet.proto"}}}},"method":"SayHello","arguments":{{"name":"Anna"}},
            "service":{{"name":"Greeter","host":"http://localhost","port":{}}}}}"#,
        running.port
    );
    let given = direct.perform(Protocol::Grpc, &call(&text, &base), "").await.expect("an answer");
    assert!(given.get("text").as_str().is_some_and(|text| text.starts_with("Hello, Anna")));
}

#[tokio::test]
async fn over_tls_the_service_has_to_be_trusted() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pem = certificate.cert.pem();
    let identity = Identity::from_pem(&pem, certificate.signing_key.serialize_pem());
    let running = greeter(Some(ServerTlsConfig::new().identity(identity))).await;
    let text = format!(
        r#"{{"proto":{{"endpoint":{{"uri":"api/greet.proto"}}}},"method":"SayHello","arguments":{{"name":"Anna"}},
            "service":{{"name":"greet.v1.Greeter","host":"https://localhost","port":{}}}}}"#,
        running.port
    );
    let trusting = running.direct(Options { ca_pem: Some(pem.into_bytes()), ..Options::default() });
    assert!(trusting.perform(Protocol::Grpc, &call(&text, ""), "").await.is_ok());
    let failure = running.direct(Options::default()).perform(Protocol::Grpc, &call(&text, ""), "").await;
    let failure = failure.expect_err("not trusted");
    assert_eq!((told(&failure).0, failure.may_have_happened), (503, false));
}
