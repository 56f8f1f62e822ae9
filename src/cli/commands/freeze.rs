//! `rosterd freeze` (B5)

use serde_json::json;

use crate::cli::args;
use crate::cli::commands::Session;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::moment;
use crate::cli::render::status::freeze_json;
use crate::clock::Clock as _;
use crate::store::Freeze;
use crate::sync::by_hand;

/// Freezes the source, or ends that.
pub async fn run(session: &mut Session, args: &args::Freeze) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store(&config).await?;
    let source = config.source.name.as_str();
    let now = session.clock.now();
    let before = store.freeze(source).await?.filter(|freeze| freeze.until > now);
    let reason = args.reason.clone().unwrap_or_default();
    let freeze = (!args.off).then(|| Freeze { since: now, until: now + args.span, reason });
    by_hand::in_turn(&*store, async |turn| {
        Ok(store.put_freeze(source, freeze.as_ref(), std::slice::from_ref(turn)).await?)
    })
    .await?;
    tell(session, source, before.as_ref(), freeze.as_ref())?;
    Ok(exit::DONE)
}

fn tell(session: &mut Session, source: &str, before: Option<&Freeze>, freeze: Option<&Freeze>) -> Result<(), Failure> {
    if session.screen.json {
        let frozen = freeze.map(freeze_json);
        return Ok(session.screen.json(&json!({ "source": source, "frozen": frozen }))?);
    }
    let says = match (before, freeze) {
        (before, Some(freeze)) => format!(
            "Done: `{source}` is frozen until {}{}. Until then nobody is missed and nothing is taken away, but who is disabled in \
             the directory still loses access. `{}` ends it.",
            moment(freeze.until),
            before.map(|before| instead(before, freeze)).unwrap_or_default(),
            session.invocation("freeze --off")
        ),
        (Some(_), None) => {
            format!("Done: `{source}` is not frozen any more; the next run takes away what waited, within the brake.")
        }
        (None, None) => format!("`{source}` was not frozen."),
    };
    Ok(session.screen.done(&says)?)
}

/// What becomes of a freeze that went on already.
fn instead(before: &Freeze, now: &Freeze) -> String {
    let why = if before.reason.is_empty() { String::new() } else { format!(" ({})", before.reason) };
    let than = if now.until < before.until { "earlier than" } else { "instead of" };
    format!(", {than} the {}{why} of before", moment(before.until))
}
