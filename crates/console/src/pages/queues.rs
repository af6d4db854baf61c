//! All work queues: how much waits in each, what it is worth, and how late it is.

use axum::response::Response;
use maud::html;

use crate::actions::{queue_title, who};
use crate::format::{amounts, count, counted, due, time};
use crate::here::Here;
use crate::layout;
use crate::parts::{queue_names, queue_path};

/// `GET /queues`
pub(crate) async fn page(here: Here) -> Response {
    let (board, release) = (&here.board, &here.release);
    let waiting = board.waiting();
    let content = html! {
        header.head {
            div {
                h1 { "Work queues" }
                p.sub { "What machines cannot decide waits here for people, with a clock and the money at stake." }
            }
            div.amount #queues-total data-live { (amounts(&board.at_stake())) small { "at stake in " (counted(waiting, "item", "items")) } }
        }
        div #queue-cards .queues data-live {
            @for name in queue_names(release, &board.queues) {
                @let total = board.queue(&name);
                @let number = total.map_or(0, |total| total.count);
                @let late = total.map_or(0, |total| total.late);
                a.queue.card.quiet[number == 0].not-mine[!here.may_act(&name)] href=(queue_path(&name)) data-row data-queue=(name) {
                    span.name { (queue_title(release, &name)) @if late > 0 { span.badge.bad { (count(late)) " overdue" } } }
                    span.purpose { (release.queues.get(&*name).map_or("", |queue| &*queue.purpose)) }
                    span.big { (count(number)) small { (if number == 1 { "item" } else { "items" }) } span.sum { (amounts(total.map_or(&[], |total| &total.amounts))) } }
                    span.under {
                        @match total {
                            Some(total) => { "Oldest " (time(total.opened_first, here.now)) " · first " (due(total.due_first, here.now)) },
                            None => { "Nothing waits" },
                        }
                    }
                    span.under { "For " (who(release, &name)) }
                }
            }
        }
    };
    layout::page(&here, "Work queues", "queues", content)
}
