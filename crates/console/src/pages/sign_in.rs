//! Signing in with an access token.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use crate::door::local_path;
use crate::layout;
use crate::session::Stranger;

/// `GET /sign-in?next=…`
pub(crate) async fn page(query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Response {
    let fields = query.map(|Query(fields)| fields).unwrap_or_default();
    let next = fields.iter().find(|(name, _)| name == "next").map_or("/", |(_, next)| local_path(next));
    form(next, None)
}

/// The form; with a stranger after a token that is nobody's.
pub(crate) fn form(next: &str, stranger: Option<Stranger>) -> Response {
    let (status, told) = match stranger {
        None => (StatusCode::OK, ""),
        Some(Stranger::Unknown) => (StatusCode::FORBIDDEN, "Nobody has this access token. Check it."),
        Some(Stranger::TooMany) => (
            StatusCode::TOO_MANY_REQUESTS,
            "Nobody has this access token. Check it: many wrong ones were tried this minute, so answers take a while.",
        ),
    };
    let wrong = stranger.is_some();
    layout::bare(
        status,
        "Sign in",
        html! {
            form.form method="post" action="/sign-in" {
                div { h1 { "Sign in" } p.muted { "With the access token that your administrator gave you." } }
                input type="hidden" name="next" value=(next);
                div.field {
                    label for="token" { "Access token" }
                    input #token type="password" name="token" required autofocus autocomplete="current-password"
                        aria-invalid=[wrong.then_some("true")] aria-describedby=[wrong.then_some("token-wrong")];
                    @if wrong { p #token-wrong .wrong role="alert" { (told) } }
                }
                button #sign-in .button.primary type="submit" { "Sign in" }
            }
        },
    )
}
