//! Sending a request: with its credentials, once more where they were out of date, and on to where a redirect points.

use ::http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, LOCATION, USER_AGENT};
use ::http::{Method, StatusCode};
use connect::CallError;
use connect::transport::{self, Answer, BODY_MAX, Effect};
use reqwest::Url;

use super::IDEMPOTENCY_KEY;
use super::request::{Outgoing, without_password};
use crate::Failure;
use crate::authentication::{Authentication, Credentials, Refused};
use crate::call::Attempt;

/// Most redirects of one request.
const REDIRECTS_MAX: usize = 10;

/// What happens with an answer that points elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redirects {
    /// It is followed where that is the same request.
    Follow,
    /// It is the answer.
    GiveBack,
}

/// An answer of any status, with the request that it answers.
pub(crate) struct Answered {
    pub(crate) request: Outgoing,
    pub(crate) answer: Answer,
}

impl Attempt<'_> {
    pub(crate) async fn exchange(
        &self,
        mut outgoing: Outgoing,
        authentication: &Authentication,
        redirects: Redirects,
    ) -> Result<Answered, Failure> {
        let origin = outgoing.url.origin();
        let mut followed = 0;
        let mut wrote = false;
        loop {
            let own = outgoing.url.origin() == origin;
            let none = Authentication::None;
            let sent = self.send(&outgoing, if own { authentication } else { &none }).await;
            // What a 303 answers was done, whatever becomes of looking for its result.
            let answer = sent.map_err(|failure| {
                let may = failure.may_have_happened || wrote;
                failure.uncertain(may)
            })?;
            if redirects == Redirects::GiveBack || !answer.status.is_redirection() {
                return Ok(Answered { request: outgoing, answer });
            }
            let Some(next) = next(&outgoing, &answer) else { return Ok(Answered { request: outgoing, answer }) };
            followed += 1;
            if followed > REDIRECTS_MAX {
                let detail = format!("{} was redirected more than {REDIRECTS_MAX} times", outgoing.name());
                return Err(Failure::communication(answer.status.as_u16(), detail));
            }
            wrote |= answer.status == StatusCode::SEE_OTHER && !outgoing.method.is_safe();
            outgoing = next;
        }
    }

    /// Sends to this address alone, with its credentials; once more with fresh ones when they are refused.
    async fn send(&self, outgoing: &Outgoing, authentication: &Authentication) -> Result<Answer, Failure> {
        let credentials = self.credentials(authentication, Some(outgoing), None).await?;
        let answer = self.send_once(outgoing, credentials.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let refused = Refused { credentials: credentials.as_ref(), headers: &answer.headers };
        if !authentication.may_try_again(&refused) {
            return Ok(answer);
        }
        let fresh = self.credentials(authentication, Some(outgoing), Some(&refused)).await?;
        self.send_once(outgoing, fresh.as_ref()).await
    }

    async fn send_once(&self, outgoing: &Outgoing, credentials: Option<&Credentials>) -> Result<Answer, Failure> {
        let effect = if outgoing.method.is_safe() { Effect::Read } else { Effect::Write };
        let request = self.request(outgoing, credentials)?;
        transport::send(request, effect, BODY_MAX).await.map_err(|error| self.unanswered(outgoing, error))
    }

    /// The request as it goes onto the wire.
    pub(crate) fn request(
        &self,
        outgoing: &Outgoing,
        credentials: Option<&Credentials>,
    ) -> Result<reqwest::RequestBuilder, Failure> {
        let mut headers = outgoing.sent_headers(&self.direct.options.secrets)?;
        if let Some(credentials) = credentials {
            let mut value = ::http::HeaderValue::from_str(credentials.header.expose()).map_err(|_| {
                Failure::configuration("the credentials have characters that no header may have, such as a line break")
            })?;
            value.set_sensitive(true);
            headers.insert(::http::header::AUTHORIZATION, value);
        }
        let mut request = self.direct.client.request(outgoing.method.clone(), outgoing.url.clone()).headers(headers);
        if let Some(content) = &outgoing.content {
            request = request.body(content.bytes.clone());
        }
        Ok(request)
    }

    pub(crate) fn unanswered(&self, outgoing: &Outgoing, mut error: CallError) -> Failure {
        // The client names the address with everything that was filled in.
        let named = format!("error sending request for url ({}): ", outgoing.url);
        error.message = error.message.replace(&named, "").replace(outgoing.url.as_str(), &outgoing.shown);
        Failure::no_answer(&outgoing.name(), &error)
    }
}

/// The request that a redirect asks for. `None` where it would be another one: a write must not become a read on the way.
fn next(outgoing: &Outgoing, answer: &Answer) -> Option<Outgoing> {
    let reads = outgoing.method == Method::GET || outgoing.method == Method::HEAD;
    let same = match answer.status.as_u16() {
        301 | 302 => reads,
        307 | 308 => true,
        // The answer is elsewhere, the request is done (RFC 9110, section 15.4.4).
        303 => reads,
        _ => return None,
    };
    if !same && answer.status != StatusCode::SEE_OTHER {
        return None;
    }
    let mut url = outgoing.url.join(answer.header(LOCATION.as_str())?).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let elsewhere = url.origin() != outgoing.url.origin();
    if elsewhere {
        // Credentials within an address are somebody else's idea.
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
    }
    let mut next = outgoing.clone();
    next.shown = shown(outgoing, answer, &url);
    next.url = url;
    if !same {
        next.method = Method::GET;
        next.content = None;
        next.headers.retain(|(name, _)| *name != CONTENT_TYPE && name.as_str() != IDEMPOTENCY_KEY);
    }
    if elsewhere {
        if next.content.as_ref().is_some_and(|content| content.secret) {
            return None;
        }
        // Any other header may be a key of the first origin.
        let neutral = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, CONTENT_LANGUAGE, USER_AGENT];
        next.headers.retain(|(name, _)| neutral.contains(name) || name.as_str() == IDEMPOTENCY_KEY);
    }
    Some(next)
}

/// How the new address is shown: what the other side wrote, which for a relative one stands behind what was shown before.
fn shown(outgoing: &Outgoing, answer: &Answer, url: &Url) -> String {
    let location = answer.header(LOCATION.as_str()).unwrap_or_default();
    match Url::parse(&outgoing.shown) {
        Ok(shown) => without_password(shown.join(location).as_ref().unwrap_or(url).as_str()),
        // The first address is a secret, and a relative one would repeat most of it.
        Err(_) if Url::parse(location).is_err() => crate::secrets::MASK.to_owned(),
        Err(_) => without_password(url.as_str()),
    }
}
