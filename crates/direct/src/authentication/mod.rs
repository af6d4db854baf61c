//! Who calls: the authentications of the DSL, as the header that goes with a request.

mod digest;
mod oauth;

use ::http::HeaderMap;
use ::http::header::WWW_AUTHENTICATE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connect::Secret;
use model::Value;

use crate::Failure;
use crate::call::Attempt;
use crate::http::{Outgoing, text_of};
use crate::secrets::SecretStandIns;

pub(crate) use oauth::Tokens;

/// How a request proves who sends it.
pub(crate) enum Authentication {
    /// Not at all.
    None,
    /// RFC 7617.
    Basic { username: String, password: String },
    /// RFC 6750, with a token that the author has.
    Bearer { token: String },
    /// RFC 7616.
    Digest { username: String, password: String },
    /// RFC 6749 or OpenID Connect: a token that is asked for.
    Token(Box<oauth::Grant>),
}

/// The header `authorization` of one request.
pub(crate) struct Credentials {
    pub(crate) header: Secret,
    /// Whether it was at hand, so that it may be out of date.
    pub(crate) cached: bool,
}

/// An answer that refused credentials.
pub(crate) struct Refused<'a> {
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) headers: &'a HeaderMap,
}

impl Refused<'_> {
    /// The challenges of the answer.
    fn challenges(&self) -> impl Iterator<Item = &str> {
        self.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok())
    }
}

impl Authentication {
    /// Reads `{ basic | bearer | digest | oauth2 | oidc: { … } }`; `use` takes the members of a secret.
    pub(crate) fn read(value: &Value, secrets: &SecretStandIns) -> Result<Self, Failure> {
        if value.is_null() {
            return Ok(Self::None);
        }
        let kinds = ["basic", "bearer", "digest", "oauth2", "oidc"];
        let Some(kind) = kinds.into_iter().find(|kind| !value.get(kind).is_null()) else {
            let detail = "an authentication is one of `basic`, `bearer`, `digest`, `oauth2`, `oidc`";
            return Err(Failure::configuration(detail));
        };
        let mut properties = value.get(kind);
        if let Some(name) = properties.get("use").as_str() {
            properties = secrets.named(name).ok_or_else(|| {
                Failure::configuration(format!(
                    "there is no secret `{name}` for `{kind}`: add it to the deployment's secrets"
                ))
            })?;
        }
        // The secret of a bearer token may be the token and nothing else.
        if kind == "bearer" && properties.as_str().is_some() {
            return Ok(Self::Bearer { token: text_of(properties) });
        }
        let text = |name: &str| match properties.get(name) {
            Value::Null => Err(Failure::configuration(format!("the authentication `{kind}` needs `{name}`"))),
            value => Ok(text_of(value)),
        };
        Ok(match kind {
            "basic" => Self::Basic { username: text("username")?, password: text("password")? },
            "digest" => Self::Digest { username: text("username")?, password: text("password")? },
            "bearer" => Self::Bearer { token: text("token")? },
            kind => Self::Token(Box::new(oauth::Grant::read(kind, &secrets.fill(properties))?)),
        })
    }

    /// Whether other credentials may be taken where these were refused.
    pub(crate) fn may_try_again(&self, refused: &Refused<'_>) -> bool {
        match self {
            Self::Digest { .. } => refused.challenges().any(digest::is_challenge),
            Self::Token(_) => refused.credentials.is_some_and(|credentials| credentials.cached),
            _ => false,
        }
    }
}

impl Attempt<'_> {
    /// The header for a request, of HTTP or another protocol; after a refusal with what can be learnt from it.
    pub(crate) async fn credentials(
        &self,
        authentication: &Authentication,
        outgoing: Option<&Outgoing>,
        refused: Option<&Refused<'_>>,
    ) -> Result<Option<Credentials>, Failure> {
        let fill = |text: &str| self.direct.options.secrets.fill_text(text);
        let (header, cached) = match authentication {
            Authentication::None => return Ok(None),
            Authentication::Basic { username, password } => {
                let password = fill(password);
                self.veil.hide(&password);
                let pair = BASE64.encode(format!("{}:{password}", fill(username)));
                self.veil.hide(&pair);
                (format!("Basic {pair}"), true)
            }
            Authentication::Bearer { token } => (format!("Bearer {}", fill(token).trim()), true),
            Authentication::Digest { username, password } => {
                let outgoing = outgoing.ok_or_else(|| {
                    Failure::configuration("a digest is a matter of HTTP: use another authentication for this call")
                })?;
                let Some(refused) = refused else { return Ok(None) };
                let password = fill(password);
                self.veil.hide(&password);
                let answer = digest::answer(refused.challenges(), &fill(username), &password, outgoing)?;
                (answer, false)
            }
            Authentication::Token(grant) => {
                let before = refused.and_then(|refused| refused.credentials);
                let (token, cached) = self.token(grant, before.map(|before| before.header.expose())).await?;
                (format!("Bearer {}", token.secret.expose()), cached)
            }
        };
        if let Some((_, text)) = header.split_once(' ') {
            self.veil.hide(text);
        }
        Ok(Some(Credentials { header: Secret::new(header), cached }))
    }
}
