//! Access tokens that are asked for: OAuth 2.0 (RFC 6749, RFC 7521, RFC 8693) and OpenID Connect discovery.
//!
//! A token is kept until shortly before it expires; of many requests that need one at once, one asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::http::header::ACCEPT;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use connect::oauth::{Token, TokenCache};
use connect::transport::{self, Effect};
use connect::{CallError, ErrorClass, Secret};
use model::{Value, json};
use percent_encoding::utf8_percent_encode;
use sha2::{Digest as _, Sha256};
use workflow::FaultType;

use crate::Failure;
use crate::cache::Cache;
use crate::call::Attempt;
use crate::http::{PLAIN, form, text_of};

/// Largest answer of a token endpoint or a discovery, in bytes.
const ANSWER_MAX: usize = 256 * 1024;
/// How many identities are kept with their tokens.
const IDENTITIES_MAX: usize = 256;
/// An identity that nobody uses for so long is forgotten.
const IDENTITY_TIME: Duration = Duration::from_secs(24 * 60 * 60);
const DISCOVERY: &str = "/.well-known/openid-configuration";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How the client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientProof {
    Basic,
    Post,
    Assertion,
    None,
}

/// What a token is asked for with. Secrets are filled in, since any member may come from one; so it has no `Debug`.
pub(crate) struct Grant {
    discovered: bool,
    authority: String,
    token_path: String,
    proof: ClientProof,
    json: bool,
    issuers: Vec<String>,
    properties: Value,
}

/// The token of one identity, and the refresh token that came with it in place of an earlier one.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    token: TokenCache,
    refresh: Mutex<Option<Secret>>,
}

/// Tokens by what they are asked for with.
#[derive(Debug)]
pub(crate) struct Tokens(Cache<[u8; 32], Arc<Identity>>);

impl Default for Tokens {
    fn default() -> Self {
        Self(Cache::new(IDENTITIES_MAX, IDENTITY_TIME))
    }
}

impl Grant {
    pub(super) fn read(kind: &str, properties: &Value) -> Result<Self, Failure> {
        let text = |value: &Value| (!value.is_null()).then(|| text_of(value));
        let needed = |name: &str| {
            text(properties.get(name))
                .ok_or_else(|| Failure::configuration(format!("the authentication `{kind}` needs `{name}`")))
        };
        let grant = needed("grant")?;
        match grant.as_str() {
            "client_credentials" | "refresh_token" | EXCHANGE => {}
            "password" => drop((needed("username")?, needed("password")?)),
            "authorization_code" => {
                let detail = "the grant `authorization_code` needs a person at a browser: use `client_credentials`, \
                              `password` or `refresh_token`";
                return Err(Failure::configuration(detail));
            }
            other => return Err(Failure::configuration(format!("there is no grant `{other}`"))),
        }
        let client = properties.get("client");
        let proof = match client.get("authentication").as_str() {
            Some("client_secret_basic") => ClientProof::Basic,
            None | Some("client_secret_post") => ClientProof::Post,
            Some("none") => ClientProof::None,
            Some("private_key_jwt") if !client.get("assertion").is_null() => ClientProof::Assertion,
            Some("private_key_jwt") => {
                let detail = "`private_key_jwt` needs the signed assertion in `client.assertion`";
                return Err(Failure::configuration(detail));
            }
            Some(other) => {
                let detail = format!(
                    "the client authentication `{other}` is not served: use `client_secret_basic`, `client_secret_post`, \
                     `private_key_jwt` with an assertion, or `none`"
                );
                return Err(Failure::configuration(detail));
            }
        };
        if proof != ClientProof::None && client.get("id").is_null() {
            let detail =
                format!("the authentication `{kind}` needs `client.id` unless `client.authentication` is `none`");
            return Err(Failure::configuration(detail));
        }
        let json = match properties.get("request").get("encoding").as_str() {
            None | Some("application/x-www-form-urlencoded") => false,
            Some("application/json") => true,
            Some(other) => {
                return Err(Failure::configuration(format!("a token is not asked for in the encoding `{other}`")));
            }
        };
        Ok(Self {
            discovered: kind == "oidc",
            authority: needed("authority")?,
            token_path: text(properties.get("endpoints").get("token")).unwrap_or_else(|| "/oauth2/token".to_owned()),
            proof,
            json,
            issuers: properties.get("issuers").items().iter().map(text_of).collect(),
            properties: properties.clone(),
        })
    }

    fn grant_type(&self) -> String {
        text_of(self.properties.get("grant"))
    }

    /// The members of the request.
    fn request(&self, refresh: Option<&Secret>) -> Result<Value, Failure> {
        let properties = &self.properties;
        let grant = self.grant_type();
        let mut request = Value::object([("grant_type", grant.as_str())]);
        let joined = |name: &str| {
            let items: Vec<String> = properties.get(name).items().iter().map(text_of).collect();
            (!items.is_empty()).then(|| items.join(" "))
        };
        if let Some(scopes) = joined("scopes") {
            request.set("scope", scopes);
        }
        match properties.get("audiences").items() {
            [] => {}
            [one] => request.set("audience", one.clone()),
            _ => request.set("audience", properties.get("audiences").clone()),
        }
        match grant.as_str() {
            "password" => {
                request.set("username", text_of(properties.get("username")));
                request.set("password", text_of(properties.get("password")));
            }
            "refresh_token" => {
                // The DSL has no member of its own for it.
                let given = ["refreshToken", "refresh_token"].map(|name| properties.get(name));
                let given = given.into_iter().chain([properties.get("subject").get("token")]);
                let given = given.map(text_of).find(|text| !text.is_empty());
                let token = refresh.map(|secret| secret.expose().to_owned()).or(given).ok_or_else(|| {
                    Failure::configuration("the grant `refresh_token` needs the refresh token in `subject.token`")
                })?;
                request.set("refresh_token", token);
            }
            EXCHANGE => {
                for (name, member) in [("subject", "subject_token"), ("actor", "actor_token")] {
                    let token = properties.get(name);
                    if !token.is_null() {
                        request.set(member, text_of(token.get("token")));
                        request.set(format!("{member}_type"), text_of(token.get("type")));
                    }
                }
            }
            _ => {}
        }
        let client = properties.get("client");
        if self.proof != ClientProof::Basic && !client.get("id").is_null() {
            request.set("client_id", text_of(client.get("id")));
        }
        match self.proof {
            ClientProof::Post if !client.get("secret").is_null() => {
                request.set("client_secret", text_of(client.get("secret")));
            }
            ClientProof::Assertion => {
                request.set("client_assertion_type", JWT_BEARER);
                request.set("client_assertion", text_of(client.get("assertion")));
            }
            _ => {}
        }
        Ok(request)
    }

    /// The header by which the client proves itself (RFC 6749, section 2.3.1: both halves are encoded first).
    fn client_header(&self) -> Option<String> {
        if self.proof != ClientProof::Basic {
            return None;
        }
        let client = self.properties.get("client");
        let encode = |name: &str| utf8_percent_encode(&text_of(client.get(name)), &PLAIN).to_string();
        Some(format!("Basic {}", BASE64.encode(format!("{}:{}", encode("id"), encode("secret")))))
    }

    /// What makes this identity another one than all others.
    fn key(&self) -> [u8; 32] {
        let kind = if self.discovered { "oidc" } else { "oauth2" };
        Sha256::digest(format!("{kind} {}", self.properties)).into()
    }
}

impl Attempt<'_> {
    /// The token for a grant, and whether it was at hand; not the one that was `refused`.
    pub(super) async fn token(&self, grant: &Grant, refused: Option<&str>) -> Result<(Arc<Token>, bool), Failure> {
        let identity = self.direct.tokens.0.get_or_put(grant.key(), Arc::default);
        let asked = std::sync::atomic::AtomicBool::new(false);
        let failed: Mutex<Option<Failure>> = Mutex::new(None);
        let get = || async {
            let fetch = || async {
                asked.store(true, std::sync::atomic::Ordering::Relaxed);
                self.fetch_token(grant, &identity).await.map_err(|failure| {
                    // Shared with whoever waits for the same token, so without anything that only this request hides.
                    let failure = self.veil.cover(failure);
                    let message = failure.fault.detail.as_deref().unwrap_or_default().to_owned();
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                    CallError::new(ErrorClass::Unavailable, "token", message)
                })
            };
            identity.token.get(fetch).await.map_err(|error| {
                let own = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
                own.unwrap_or_else(|| Failure::new(FaultType::Authentication, error.message))
            })
        };
        let mut token = get().await?;
        if refused.is_some_and(|refused| refused.strip_prefix("Bearer ") == Some(token.secret.expose())) {
            identity.token.forget(&token);
            token = get().await?;
        }
        self.veil.hide(token.secret.expose());
        Ok((token, !asked.into_inner()))
    }

    async fn fetch_token(&self, grant: &Grant, identity: &Identity) -> Result<Token, Failure> {
        let address = self.token_address(grant).await?;
        let refresh = identity.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let members = grant.request(refresh.as_ref())?;
        for name in ["client_secret", "password", "refresh_token", "subject_token", "actor_token", "client_assertion"] {
            self.veil.hide(&text_of(members.get(name)));
        }
        let mut request = self.direct.client.post(&address).header(ACCEPT, "application/json");
        if let Some(header) = grant.client_header() {
            self.veil.hide(&header);
            request = request.header(::http::header::AUTHORIZATION, header);
        }
        let (kind, body) = if grant.json {
            ("application/json", json::to_string(&members))
        } else {
            ("application/x-www-form-urlencoded", form(&members))
        };
        let request = request.header(::http::header::CONTENT_TYPE, kind).body(body);
        let what = format!("the token endpoint {}", crate::http::without_password(&address));
        let answer = transport::send(request, Effect::Read, ANSWER_MAX)
            .await
            .map_err(|error| Failure::no_answer(&what, &error))?;
        let mut told = json::parse(&answer.body).unwrap_or_default();
        if !answer.status.is_success() {
            let reason = ["error_description", "error"].map(|name| text_of(told.get(name)));
            let reason = reason.into_iter().find(|text| !text.is_empty()).unwrap_or_else(|| answer.status.to_string());
            let detail = format!("{what} gave no token: {reason}");
            return Err(match answer.status.as_u16() {
                400 | 401 | 403 => Failure::new(FaultType::Authentication, detail).with_data(told),
                status => Failure::communication(status, detail).with_data(told),
            });
        }
        let Some(Value::String(text)) = told.remove("access_token") else {
            return Err(Failure::new(FaultType::Authentication, format!("{what} answered without an access token")));
        };
        self.veil.hide(&text);
        check_issuer(&text, &grant.issuers)?;
        if let Some(Value::String(next)) = told.remove("refresh_token")
            && grant.grant_type() == "refresh_token"
        {
            *identity.refresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(Secret::new(next.to_string()));
        }
        let lifetime = told.get("expires_in").as_i64().or_else(|| told.get("expires_in").as_str()?.parse().ok());
        let expires = lifetime
            .and_then(|seconds| u64::try_from(seconds).ok())
            .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        Ok(Token { secret: Secret::new(text.to_string()), expires, answer: Value::Null })
    }

    async fn token_address(&self, grant: &Grant) -> Result<String, Failure> {
        let authority = grant.authority.trim_end_matches('/');
        if !grant.discovered {
            let path = &grant.token_path;
            return Ok(match path.contains("://") {
                true => path.clone(),
                false => format!("{authority}/{}", path.trim_start_matches('/')),
            });
        }
        // The reference's example gives the address of the discovery itself.
        let address = match authority.ends_with(DISCOVERY) {
            true => authority.to_owned(),
            false => format!("{authority}{DISCOVERY}"),
        };
        let what = format!("the OpenID configuration {}", crate::http::without_password(&address));
        let request = self.direct.client.get(&address).header(ACCEPT, "application/json");
        let answer = transport::send(request, Effect::Read, ANSWER_MAX)
            .await
            .map_err(|error| Failure::no_answer(&what, &error))?;
        if !answer.status.is_success() {
            return Err(Failure::communication(answer.status.as_u16(), format!("{what} answered {}", answer.status)));
        }
        let told = json::parse(&answer.body).unwrap_or_default();
        if !grant.issuers.is_empty() && !grant.issuers.contains(&text_of(told.get("issuer"))) {
            let detail =
                format!("{what} is of the issuer `{}`, which is not in `issuers`", text_of(told.get("issuer")));
            return Err(Failure::new(FaultType::Authentication, detail));
        }
        let endpoint = told.get("token_endpoint").as_str().map(str::to_owned);
        endpoint.ok_or_else(|| Failure::communication(502, format!("{what} names no token endpoint")))
    }
}

/// Refuses a token of another issuer, where it is a JWT and so says whose it is. Its signature is for its receiver to check.
fn check_issuer(token: &str, issuers: &[String]) -> Result<(), Failure> {
    if issuers.is_empty() {
        return Ok(());
    }
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let Some(claims) = claims.and_then(|bytes| json::parse(&bytes).ok()) else { return Ok(()) };
    let issuer = text_of(claims.get("iss"));
    if issuers.contains(&issuer) {
        return Ok(());
    }
    let detail = format!("the token is of the issuer `{issuer}`, which is not in `issuers`");
    Err(Failure::new(FaultType::Authentication, detail))
}
