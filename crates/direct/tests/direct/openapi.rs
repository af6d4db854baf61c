//! `call: openapi` with documents of all three generations.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use direct::{Direct, Failure, Options};
use model::Value;
use workflow::Protocol;

use crate::support::{call, direct, echo, serve, stand_ins, told, typed, value, with};

const PETSTORE: &str = r##"{
  "swagger": "2.0", "basePath": "/v2", "consumes": ["application/xml", "application/json"],
  "parameters": {"Limit": {"name": "limit", "in": "query", "type": "integer"}},
  "paths": {
    "/pet": {"post": {"operationId": "addPet", "parameters": [
      {"in": "body", "name": "pet", "required": true, "schema": {"$ref": "#/definitions/Pet"}}]}},
    "/pet/findByStatus": {"get": {"operationId": "findPetsByStatus", "parameters": [
      {"name": "status", "in": "query", "required": true, "type": "array", "collectionFormat": "multi"},
      {"name": "tags", "in": "query", "type": "array"}, {"$ref": "#/parameters/Limit"}]}},
    "/pet/{petId}": {
      "parameters": [{"name": "petId", "in": "path", "required": true, "type": "integer"}],
      "get": {"operationId": "getPetById"},
      "post": {"operationId": "updatePetWithForm", "consumes": ["application/x-www-form-urlencoded"], "parameters": [
        {"name": "name", "in": "formData"}, {"name": "status", "in": "formData"}]},
      "delete": {"operationId": "deletePet", "parameters": [{"name": "api_key", "in": "header"}]}},
    "/pet/{petId}/uploadImage": {"post": {"operationId": "uploadFile", "consumes": ["multipart/form-data"], "parameters": [
      {"name": "petId", "in": "path"}, {"name": "file", "in": "formData", "type": "file"}]}}
  }
}"##;

const SHOP: &str = r##"
openapi: 3.1.0
servers:
  - url: "BASE/{stage}"
    variables: { stage: { default: test } }
paths:
  /orders/{id}:
    parameters:
      - $ref: "#/components/parameters/Id"
    get:
      operationId: readOrder
      parameters:
        - { name: fields, in: query, explode: false, schema: { type: array } }
        - { name: filter, in: query, style: deepObject, schema: { type: object } }
        - { name: X-Trace, in: header, schema: { type: string } }
        - { name: session, in: cookie, schema: { type: string } }
    put:
      operationId: replaceOrder
      requestBody:
        required: true
        content: { application/json: { schema: { type: object, properties: { amount: {}, note: {} } } } }
  /orders:
    servers: [ { url: /other } ]
    post:
      operationId: createOrders
      parameters: [ { name: Idempotency-Key, in: header, schema: { type: string } } ]
      requestBody:
        $ref: "#/components/requestBodies/Many"
  /missing: { get: { operationId: missing } }
  /moved: { get: { operationId: moved } }
  /private: { get: { operationId: private } }
  /elsewhere: { get: { operationId: elsewhere, parameters: [ { $ref: "other.yaml#/x" } ] } }
components:
  parameters:
    Id: { name: id, in: path, required: true, schema: { type: string } }
  requestBodies:
    Many: { content: { application/json: { schema: { type: array } } } }
"##;

async fn shop() -> (String, Arc<AtomicUsize>) {
    let fetched = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&fetched);
    let document = move |headers: HeaderMap| {
        counted.fetch_add(1, Ordering::SeqCst);
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        async move { typed("application/yaml", SHOP.replace("BASE", &format!("http://{host}"))) }
    };
    let private = |headers: HeaderMap| async move {
        let given = headers.get("authorization").is_some_and(|value| value == "Bearer t0ken");
        if given { "welcome".into_response() } else { StatusCode::UNAUTHORIZED.into_response() }
    };
    let router = Router::new()
        .route("/docs/swagger.json", get(|| async { typed("application/json", PETSTORE) }))
        .route("/docs/shop.yaml", get(document))
        .route("/test/missing", any(|| async { (StatusCode::NOT_FOUND, "no such order") }))
        .route("/test/moved", any(|| async { (StatusCode::FOUND, [("location", "/test/private")]) }))
        .route("/test/private", any(private))
        .route("/{*path}", any(echo));
    (serve(router).await, fetched)
}

async fn perform(direct: &Direct, document: &str, operation: &str, more: &str, base: &str) -> Result<Value, Failure> {
    let text = format!(r#"{{"document":{{"endpoint":{{"uri":"{document}"}}}},"operationId":"{operation}"{more}}}"#);
    direct.perform(Protocol::OpenApi, &call(&text, base), "intent-1").await
}

#[tokio::test]
async fn operations_of_a_swagger_document_are_called() {
    let ((base, _), direct) = (shop().await, direct());
    let document = "BASE/docs/swagger.json";
    for (operation, parameters, method, uri, kind, body) in [
        (
            "findPetsByStatus",
            r#"{"status":["a","b c"],"tags":["x","y"],"limit":5}"#,
            "GET",
            "/v2/pet/findByStatus?status=a&status=b%20c&tags=x,y&limit=5",
            "",
            "",
        ),
        ("findPetsByStatus", r#"{"status":"available"}"#, "GET", "/v2/pet/findByStatus?status=available", "", ""),
        ("getPetById", r#"{"petId":"1/2"}"#, "GET", "/v2/pet/1%2F2", "", ""),
        (
            "addPet",
            r#"{"pet":{"id":7,"price":1.10}}"#,
            "POST",
            "/v2/pet",
            "application/json",
            r#"{"id":7,"price":1.10}"#,
        ),
        ("addPet", r#"{"id":7,"name":"milou"}"#, "POST", "/v2/pet", "application/json", r#"{"id":7,"name":"milou"}"#),
        (
            "updatePetWithForm",
            r#"{"petId":7,"name":"m & m"}"#,
            "POST",
            "/v2/pet/7",
            "application/x-www-form-urlencoded",
            "name=m%20%26%20m",
        ),
    ] {
        let sent = perform(&direct, document, operation, &format!(r#","parameters":{parameters}"#), &base).await;
        let sent = sent.unwrap_or_else(|failure| panic!("{operation}: {failure}"));
        assert_eq!((sent.get("method"), sent.get("uri")), (&Value::from(method), &Value::from(uri)));
        assert_eq!(sent.get("headers").get("content-type").as_str().unwrap_or_default(), kind, "{operation}");
        assert_eq!(sent.get("body"), &Value::from(body), "{operation}");
    }
    let sent = perform(&direct, document, "deletePet", r#","parameters":{"petId":7,"api_key":"k"}"#, &base).await;
    assert_eq!(sent.expect("an answer").get("headers").get("api_key"), &Value::from("k"));
    let sent =
        perform(&direct, document, "uploadFile", r#","parameters":{"petId":7,"file":"text of it"}"#, &base).await;
    let sent = sent.expect("an answer");
    let kind = sent.get("headers").get("content-type").as_str().expect("a type").to_owned();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
    let body = sent.get("body").as_str().expect("a body");
    assert!(body.contains("name=\"file\"\r\n\r\ntext of it\r\n"), "{body}");
    assert!(body.ends_with(&format!("--{boundary}--\r\n")), "{body}");
}

#[tokio::test]
async fn operations_of_an_openapi_document_are_called() {
    let ((base, fetched), direct) = (shop().await, direct());
    let document = "BASE/docs/shop.yaml";
    let parameters =
        r#","parameters":{"id":"a b","fields":["x","y"],"filter":{"state":"open"},"X-Trace":"t","session":"s1"}"#;
    let sent = perform(&direct, document, "readOrder", parameters, &base).await.expect("an answer");
    assert_eq!(sent.get("uri"), &Value::from("/test/orders/a%20b?fields=x,y&filter[state]=open"));
    let headers = sent.get("headers");
    assert_eq!((headers.get("x-trace"), headers.get("cookie")), (&Value::from("t"), &Value::from("session=s1")));

    let sent =
        perform(&direct, document, "replaceOrder", r#","parameters":{"id":1,"amount":1.50,"note":"n"}"#, &base).await;
    let sent = sent.expect("an answer");
    assert_eq!(
        (sent.get("uri"), sent.get("body")),
        (&Value::from("/test/orders/1"), &Value::from(r#"{"amount":1.50,"note":"n"}"#))
    );

    let sent = perform(&direct, document, "createOrders", r#","parameters":{"body":[{"a":1}]}"#, &base).await;
    let sent = sent.expect("an answer");
    assert_eq!((sent.get("uri"), sent.get("body")), (&Value::from("/other/orders"), &Value::from(r#"[{"a":1}]"#)));
    assert_eq!(sent.get("headers").get("idempotency-key"), &Value::from("intent-1"));
    assert_eq!(fetched.load(Ordering::SeqCst), 1, "the document is kept");
}

#[tokio::test]
async fn outputs_redirects_errors_and_authentication_are_those_of_http() {
    let ((base, _), direct) = (shop().await, direct());
    let document = "BASE/docs/shop.yaml";
    let given = perform(&direct, document, "readOrder", r#","parameters":{"id":1},"output":"response""#, &base);
    assert_eq!(given.await.expect("an answer").get("statusCode"), &Value::from(200));
    let failure = perform(&direct, document, "missing", "", &base).await.expect_err("missing");
    assert_eq!(
        (told(&failure).0, told(&failure).1, &failure.fault.data),
        (404, "communication", &Value::from("no such order"))
    );
    let moved = perform(&direct, document, "moved", r#","redirect":true,"output":"response""#, &base).await;
    assert_eq!(moved.expect("an answer").get("statusCode"), &Value::from(302));
    let authentication = r#","authentication":{"bearer":{"token":"t0ken"}}"#;
    assert_eq!(perform(&direct, document, "private", authentication, &base).await, Ok(Value::from("welcome")));
    assert_eq!(perform(&direct, document, "moved", authentication, &base).await, Ok(Value::from("welcome")));
}

#[tokio::test]
async fn a_call_that_does_not_fit_its_document_says_what_would() {
    let ((base, _), direct) = (shop().await, direct());
    for (document, operation, parameters, kind, named) in [
        ("shop.yaml", "readOrders", "{}", "configuration", "did you mean `readOrder`?"),
        ("shop.yaml", "readOrder", "{}", "validation", "`id`"),
        ("shop.yaml", "readOrder", r#"{"id":1,"field":1}"#, "configuration", "did you mean `fields`?"),
        ("shop.yaml", "elsewhere", "{}", "configuration", "other.yaml#/x"),
        ("shop.yaml", "readOrder", "[]", "configuration", "`parameters`"),
        ("swagger.json", "updatePetWithForm", r#"{"petId":1,"nam":"x"}"#, "configuration", "`nam`"),
    ] {
        let more = format!(r#","parameters":{parameters}"#);
        let failure =
            perform(&direct, &format!("BASE/docs/{document}"), operation, &more, &base).await.expect_err(operation);
        assert_eq!(told(&failure).1, kind, "{failure}");
        assert!(told(&failure).2.contains(named), "{failure}");
    }
}

#[tokio::test]
async fn documents_are_read_from_the_folder_and_nowhere_else() {
    let (base, _) = shop().await;
    let outer = tempfile::tempdir().expect("a folder");
    let folder = outer.path().join("project");
    std::fs::create_dir_all(folder.join("docs")).expect("a folder");
    std::fs::write(folder.join("docs/shop.yaml"), SHOP.replace("BASE", &base)).expect("a file");
    std::fs::write(folder.join("docs/relative.json"), PETSTORE).expect("a file");
    std::fs::write(folder.join("docs/other.txt"), "hello: world").expect("a file");
    std::fs::write(outer.path().join("outside.yaml"), SHOP).expect("a file");
    let absolute = folder.join("docs/shop.yaml");
    let direct = with(Options { folder, ..Options::default() });
    let absolute = format!("file://{}", absolute.display());
    for document in
        ["docs/shop.yaml", "file:docs/shop.yaml", "file://docs/shop.yaml", "file:///docs/shop.yaml", &absolute]
    {
        let sent = perform(&direct, document, "readOrder", r#","parameters":{"id":1}"#, &base).await;
        assert_eq!(sent.expect(document).get("uri"), &Value::from("/test/orders/1"));
    }
    for (document, kind, named) in [
        ("../outside.yaml", "authorization", "outside"),
        ("file:///etc/hostname", "authorization", "outside"),
        ("docs/gone.yaml", "configuration", "docs/gone.yaml"),
        ("ftp://host/shop.yaml", "configuration", "ftp://"),
        ("docs/other.txt", "configuration", "neither OpenAPI 3"),
        ("docs/relative.json", "configuration", "absolute"),
    ] {
        let failure =
            perform(&direct, document, "getPetById", r#","parameters":{"petId":1}"#, &base).await.expect_err(document);
        assert_eq!(told(&failure).1, kind, "{failure}");
        assert!(told(&failure).2.contains(named), "{failure}");
    }
}

#[tokio::test]
async fn an_operation_may_be_repeated_when_its_method_is_known_to_be() {
    let ((base, _), direct) = (shop().await, direct());
    let ask = |operation: &str, parameters: &str| {
        let text = format!(
            r#"{{"document":{{"endpoint":{{"uri":"BASE/docs/shop.yaml"}}}},"operationId":"{operation}","parameters":{parameters}}}"#
        );
        direct.repeatable(Protocol::OpenApi, &call(&text, &base))
    };
    assert!(!ask("readOrder", "{}"), "the document is not there yet");
    perform(&direct, "BASE/docs/shop.yaml", "readOrder", r#","parameters":{"id":1}"#, &base).await.expect("an answer");
    assert!(ask("readOrder", "{}") && ask("replaceOrder", "{}"));
    assert!(!ask("createOrders", "{}") && !ask("gone", "{}"));
    assert!(ask("createOrders", r#"{"Idempotency-Key":"a"}"#));
}

#[tokio::test]
async fn secrets_are_filled_into_parameters() {
    let (base, _) = shop().await;
    let secrets = stand_ins(&[("key", "s3cret/key")]);
    let key = secrets.expression_value().get("key").to_string();
    let direct = with(Options { secrets, ..Options::default() });
    let parameters = format!(r#","parameters":{{"id":{key},"fields":{key},"X-Trace":{key},"session":{key}}}"#);
    let sent = perform(&direct, "BASE/docs/shop.yaml", "readOrder", &parameters, &base).await.expect("an answer");
    assert_eq!(sent.get("uri"), &Value::from("/test/orders/s3cret%2Fkey?fields=s3cret%2Fkey"));
    let headers = sent.get("headers");
    assert_eq!(
        (headers.get("x-trace"), headers.get("cookie")),
        (&Value::from("s3cret/key"), &Value::from("session=s3cret/key"))
    );
}

#[tokio::test]
async fn a_text_is_fetched_with_its_authentication() {
    let (base, _) = shop().await;
    let direct = direct();
    assert_eq!(direct.fetch(&Value::from(format!("{base}/docs/swagger.json"))).await.as_deref(), Ok(PETSTORE));
    let private =
        value(&format!(r#"{{"uri":"{base}/test/private","authentication":{{"bearer":{{"token":"t0ken"}}}}}}"#));
    assert_eq!(direct.fetch(&private).await.as_deref(), Ok("welcome"));
    let failure = direct.fetch(&Value::from(format!("{base}/test/private"))).await.expect_err("refused");
    assert_eq!(failure.fault.status, 401, "what one may see is not shown to another");
    let router = Router::new()
        .route("/large", get(|| async { vec![b'x'; 8 * 1024 * 1024 + 1] }))
        .route("/bytes", get(|| async { vec![0xff_u8, 0xfe] }));
    let base = serve(router).await;
    for (path, named) in [("large", "larger than 8388608 bytes"), ("bytes", "UTF-8")] {
        let failure = direct.fetch(&Value::from(format!("{base}/{path}"))).await.expect_err(path);
        assert_eq!(told(&failure).1, "configuration");
        assert!(told(&failure).2.contains(named), "{failure}");
    }
}
