//! Signing in: JWT bearer and client credentials, the two OAuth flows that need no person.

use std::time::{SystemTime, UNIX_EPOCH};

use connect::oauth::{self, Token};
use connect::{CallError, ErrorClass, Secret, Secrets};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::Problem;

use crate::config::Flow;

/// How long an assertion is valid. The vendor allows three minutes of clock skew.
const ASSERTION_SECONDS: u64 = 180;
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Whose credentials are used and how.
pub(crate) struct Auth {
    token_url: String,
    credentials: Credentials,
}

enum Credentials {
    Jwt { claims: JwtParty, key: EncodingKey },
    Client { client_id: String, client_secret: Secret },
}

struct JwtParty {
    client_id: String,
    username: String,
    audience: String,
}

#[derive(serde::Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

impl Auth {
    /// Looks the secrets up. Nothing is contacted.
    pub(crate) fn open(token_url: String, flow: &Flow, secrets: &dyn Secrets) -> Result<Self, Problem> {
        let secret = |reference: &str| {
            secrets.get(reference).map_err(|error| {
                Problem::new(
                    "IL-CRM-002",
                    error.to_string(),
                    "Set the environment variable or file that the connection's `auth` refers to",
                )
            })
        };
        let credentials = match flow {
            Flow::JwtBearer { client_id, username, private_key, audience } => {
                let pem = secret(private_key)?;
                let key = EncodingKey::from_rsa_pem(pem.expose().as_bytes()).map_err(|_| {
                    Problem::new(
                        "IL-CRM-003",
                        format!("`{private_key}` does not hold an RSA private key in PEM"),
                        "Give the private key whose certificate was uploaded to the External Client App, starting with `-----BEGIN`",
                    )
                })?;
                let claims =
                    JwtParty { client_id: client_id.clone(), username: username.clone(), audience: audience.clone() };
                Credentials::Jwt { claims, key }
            }
            Flow::ClientCredentials { client_id, client_secret } => {
                Credentials::Client { client_id: client_id.clone(), client_secret: secret(client_secret)? }
            }
        };
        Ok(Self { token_url, credentials })
    }

    /// Asks for a token. There is no refresh token in either flow: a new assertion is made each time.
    pub(crate) async fn token(&self, client: &reqwest::Client) -> Result<Token, CallError> {
        match &self.credentials {
            Credentials::Jwt { claims, key } => {
                let assertion = assertion(claims, key)?;
                let form = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str())];
                oauth::exchange(client, &self.token_url, &form).await
            }
            Credentials::Client { client_id, client_secret } => {
                let form = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id.as_str()),
                    ("client_secret", client_secret.expose()),
                ];
                oauth::exchange(client, &self.token_url, &form).await
            }
        }
    }
}

fn assertion(party: &JwtParty, key: &EncodingKey) -> Result<String, CallError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let claims =
        Claims { iss: &party.client_id, sub: &party.username, aud: &party.audience, exp: now + ASSERTION_SECONDS };
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key).map_err(|_| {
        CallError::new(ErrorClass::Unauthorized, "signature", "the assertion cannot be signed with the private key")
    })
}
