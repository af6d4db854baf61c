//! Stand-ins for the hosts that the scenarios call: the Swagger pet store, and the part of httpbin that asks for a password.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Value;
use std::collections::HashMap;

use crate::workflows::host::{Host, json};

/// The hosts, by the addresses that documents name.
pub(crate) struct Hosts {
    store: Host,
    bin: Host,
}

impl Hosts {
    pub(crate) fn start() -> Self {
        let store = Router::new()
            .route("/v2/swagger.json", get(description))
            .route("/v2/pet/findByStatus", get(pets))
            .route("/v2/pet/{id}", get(pet))
            .fallback(any(nothing));
        let bin = Router::new().route("/basic-auth/{user}/{password}", get(password)).fallback(any(nothing));
        Self { store: Host::serve(store), bin: Host::serve(bin) }
    }

    /// A document with these hosts in place of those that it names.
    ///
    /// # Errors
    /// When it names a host that has no stand-in.
    pub(crate) fn instead(&self, document: &str) -> Result<String, String> {
        let document = document
            .replace("https://petstore.swagger.io", &self.store.address())
            .replace("https://httpbin.org", &self.bin.address());
        for line in document.lines().filter(|line| line.contains("uri: http") || line.contains("endpoint: \"http")) {
            if !line.contains("http://127.0.0.1:") {
                return Err(format!("there is no stand-in for {}", line.trim()));
            }
        }
        Ok(document)
    }
}

/// The two operations that the scenarios use, as the pet store's own description has them.
async fn description(headers: HeaderMap) -> Response {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let parameter = |name: &str, place: &str, kind: &str| {
        let mut parameter = Value::object([("name", name), ("in", place), ("type", kind)]);
        parameter.set("required", true);
        parameter
    };
    let mut by_status = Value::object([("operationId", Value::from("findPetsByStatus"))]);
    let mut status = parameter("status", "query", "array");
    status.set("items", Value::object([("type", "string")]));
    status.set("collectionFormat", "multi");
    by_status.set("parameters", Value::array([status]));
    let mut by_id = Value::object([("operationId", Value::from("getPetById"))]);
    by_id.set("parameters", Value::array([parameter("petId", "path", "integer")]));
    let paths = Value::object([
        ("/pet/findByStatus", Value::object([("get", by_status)])),
        ("/pet/{petId}", Value::object([("get", by_id)])),
    ]);
    let described = Value::object([
        ("swagger", Value::from("2.0")),
        ("host", Value::from(host)),
        ("basePath", Value::from("/v2")),
        ("schemes", Value::array(["http"])),
        ("paths", paths),
    ]);
    json(200, &described)
}

fn pet_of(id: i64) -> Value {
    let mut pet = Value::object([("name", "Rex"), ("status", "available")]);
    pet.set("id", id);
    pet
}

async fn pets(Query(query): Query<HashMap<String, String>>) -> Response {
    match query.get("status").map(String::as_str) {
        Some("available") => json(200, &Value::array([pet_of(1), pet_of(2)])),
        Some("pending" | "sold") => json(200, &Value::array::<Value>([])),
        _ => json(400, &Value::object([("message", "Invalid status value")])),
    }
}

async fn pet(Path(id): Path<String>) -> Response {
    match id.parse() {
        Ok(id) if id > 0 => json(200, &pet_of(id)),
        _ => json(404, &Value::object([("message", "Pet not found")])),
    }
}

/// Answers only to this user with this password.
async fn password(Path((user, password)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    match given == Some(&*wanted) {
        true => {
            let mut told = Value::object([("user", user)]);
            told.set("authenticated", true);
            json(200, &told)
        }
        false => json(401, &Value::Null),
    }
}

async fn nothing() -> Response {
    json(404, &Value::object([("message", "null for uri")]))
}
