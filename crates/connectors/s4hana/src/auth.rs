//! Who the ERP is told that calls.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connect::oauth::{self, Token, TokenCache};
use connect::{CallError, ErrorClass, Secret, Secrets};
use http::HeaderValue;
use model::Problem;

use crate::config::AuthConfig;

/// The credentials of a connection, ready for use.
pub(crate) enum Credentials {
    /// The whole header value, made once.
    Basic(HeaderValue),
    /// An OAuth client; its token is asked for when it is first needed.
    Client {
        /// The client's id.
        id: String,
        /// The client's secret.
        secret: Secret,
        /// Where tokens are given.
        token_url: String,
        /// The current token.
        tokens: Box<TokenCache>,
    },
}

/// What authorises one request, and how to take it back when it is refused.
pub(crate) struct Authorization {
    /// Value of the `Authorization` header.
    pub(crate) header: HeaderValue,
    token: Option<Arc<Token>>,
}

impl Credentials {
    /// Looks the secrets up.
    ///
    /// # Errors
    /// When a secret cannot be had or cannot stand in a header.
    pub(crate) fn open(config: &AuthConfig, secrets: &dyn Secrets) -> Result<Self, Problem> {
        let secret = |reference: &str| {
            secrets.get(reference).map_err(|error| {
                Problem::new(
                    "IL-S4-002",
                    error.to_string(),
                    "Set the environment variable or file that the reference names",
                )
            })
        };
        match config {
            AuthConfig::Basic { username, password } => {
                let password = secret(password)?;
                let header = header("Basic", &STANDARD.encode(format!("{username}:{}", password.expose())));
                header.map(Self::Basic).ok_or_else(|| {
                    Problem::new(
                        "IL-S4-002",
                        "the user name or password cannot be sent",
                        "Check them for stray characters",
                    )
                })
            }
            AuthConfig::ClientCredentials { client_id, client_secret, token_url } => Ok(Self::Client {
                id: client_id.clone(),
                secret: secret(client_secret)?,
                token_url: token_url.clone(),
                tokens: Box::default(),
            }),
        }
    }

    /// What authorises the next request.
    ///
    /// # Errors
    /// Of the token endpoint.
    pub(crate) async fn authorize(&self, client: &reqwest::Client) -> Result<Authorization, CallError> {
        match self {
            Self::Basic(header) => Ok(Authorization { header: header.clone(), token: None }),
            Self::Client { id, secret, token_url, tokens } => {
                let fetch = || {
                    let form = [
                        ("grant_type", "client_credentials"),
                        ("client_id", id.as_str()),
                        ("client_secret", secret.expose()),
                    ];
                    async move { oauth::exchange(client, token_url, &form).await }
                };
                let token = tokens.get(fetch).await?;
                let header = header("Bearer", token.secret.expose()).ok_or_else(|| {
                    CallError::new(ErrorClass::Misconfigured, "token", "the access token cannot stand in a header")
                })?;
                Ok(Authorization { header, token: Some(token) })
            }
        }
    }

    /// Forgets what was refused with 401.
    pub(crate) fn refused(&self, authorization: &Authorization) {
        if let (Self::Client { tokens, .. }, Some(token)) = (self, &authorization.token) {
            tokens.forget(token);
        }
    }
}

fn header(scheme: &str, credentials: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("{scheme} {credentials}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}
