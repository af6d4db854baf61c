//! Descriptions of services: OpenAPI and Swagger with the service itself, AsyncAPI, and functions at an address.

use axum::response::Response;
use model::Value;

use super::Asked;
use super::messages::{ASYNCAPI, ASYNCAPI_3};
use crate::workflows::host::{json, typed};

const OPENAPI: &str = r#"{
  "openapi": "3.0.3",
  "servers": [{"url": "http://HOST/described/shop"}],
  "paths": {
    "/items/{id}": {
      "get": {
        "operationId": "getItem",
        "parameters": [
          {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
          {"name": "fields", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
          {"name": "x-tenant", "in": "header", "schema": {"type": "string"}}
        ]
      },
      "put": {
        "operationId": "putItem",
        "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
        "requestBody": {"required": true, "content": {"application/json": {"schema": {
          "type": "object", "properties": {"name": {"type": "string"}, "amount": {"type": "number"}}}}}}
      }
    },
    "/moved": {"get": {"operationId": "getMoved"}},
    "/closed": {"get": {"operationId": "getClosed"}},
    "/missing": {"get": {"operationId": "getMissing"}}
  }
}"#;

const SWAGGER: &str = r#"{
  "swagger": "2.0", "host": "HOST", "basePath": "/described/shop", "schemes": ["http"],
  "paths": {"/items/{id}": {"get": {"operationId": "getItem", "parameters": [
    {"name": "id", "in": "path", "required": true, "type": "string"},
    {"name": "tags", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "csv"}]}}}
}"#;

const SHOUT: &str = "
input:
  schema:
    document: { type: object, required: [ message ], properties: { message: { type: string } } }
set:
  shouted: ${ .message | ascii_upcase }
";

pub(super) fn answer(asked: &Asked, parts: &[&str]) -> Response {
    let described = |text: &str| text.replace("HOST", asked.header("host"));
    match parts[1..] {
        ["openapi.json"] => typed(200, "application/json", described(OPENAPI)),
        ["swagger.json"] => typed(200, "application/json", described(SWAGGER)),
        ["asyncapi.json"] => typed(200, "application/json", described(ASYNCAPI)),
        ["asyncapi3.yaml"] => typed(200, "application/yaml", described(ASYNCAPI_3)),
        ["shop", "items", ..] => json(200, &asked.to_value()),
        ["shop", "moved"] => {
            let mut answer = json(301, &Value::Null);
            answer.headers_mut().insert("location", "/described/shop/items/7".parse().expect("a header"));
            answer
        }
        ["shop", "closed"] => match asked.header("authorization") {
            "Bearer t0ken" => json(200, &Value::object([("in", true)])),
            _ => json(401, &Value::Null),
        },
        ["functions", "shout", "1.0.0", "function.yaml"] | ["shout.yaml"] => typed(200, "application/yaml", SHOUT),
        _ => json(404, &Value::object([("message", "nothing is here")])),
    }
}
