//! `rosterd plan`

use crate::cli::args::Plan;
use crate::cli::commands::{Session, saved, sync};
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::render::{self, Labels, plan as text, plan_json};
use crate::plan::UserRef;
use crate::roster::UserId;
use crate::store::Store;
use crate::sync::{self as engine, Preview};

/// How many accounts are asked for at once.
const BATCH: usize = 1_000;

/// Shows what a run would do, and changes nothing.
pub async fn run(session: &mut Session, args: &Plan) -> Result<u8, Failure> {
    let config = session.config()?;
    let store = session.store_to_read(&config).await?;
    if !config.enabled {
        session
            .screen
            .say("source.enabled = false: the directory is not read; only deletions that are due are shown")?;
    }
    let progress = sync::progress(session, &config, &*store).await?;
    let ended =
        engine::plan(&config, &*store, &session.clock, (args.only.into(), session.on_terminal()), &progress).await;
    progress.clear();
    let preview = ended?;
    let json = session.screen.json;
    let labels = labels(&preview, &*store, json || args.out.is_some()).await?;
    let view = text::View {
        plan: &preview.plan,
        incomplete: preview.incomplete.as_ref(),
        server: preview.server.as_deref(),
        names: &preview.names,
        labels: &labels,
        all: args.all,
    };
    let mut replaced = false;
    if let Some(path) = &args.out {
        let whole = serde_json::to_value(plan_json::Whole(&view)).map_err(std::io::Error::from)?;
        let made = (args.only.into(), preview.plan.digest(), whole);
        replaced = path.exists();
        saved::write(session, (&config, &*store), path, made).await?;
    }
    if json {
        session.screen.json(&plan_json::Whole(&view))?;
    } else {
        text::print(session.screen.out(), &view)?;
        if let Some(path) = &args.out {
            let apply = session.invocation(&format!("sync --plan {}", path.display()));
            let place = if replaced { ", in place of the file that was there" } else { "" };
            session.screen.say(&format!("saved to {}{place}; apply exactly this with `{apply}`", path.display()))?;
        }
    }
    Ok(exit_code(&preview))
}

/// The exit status of a plan; the gravest that holds.
pub fn exit_code(preview: &Preview) -> u8 {
    if preview.incomplete.is_some() {
        exit::INCOMPLETE
    } else if !preview.plan.held.is_empty() || preview.plan.waits() {
        exit::HELD
    } else if !preview.plan.is_empty() {
        exit::PENDING
    } else {
        exit::DONE
    }
}

/// Names of people the plan knows by number only; for JSON the ids of everybody.
async fn labels(preview: &Preview, store: &dyn Store, everybody: bool) -> Result<Labels, Failure> {
    let mut ids: Vec<UserId> = render::unnamed(&preview.plan);
    if everybody {
        ids.extend(preview.plan.users.iter().filter_map(|change| match change.subject {
            UserRef::Known(id) => Some(id),
            UserRef::New(_) => None,
        }));
        ids.extend(preview.plan.held.iter().map(|held| held.user));
        ids.sort_unstable();
        ids.dedup();
    }
    let mut labels = Labels::default();
    for batch in ids.chunks(BATCH) {
        for account in store.accounts(batch).await? {
            labels.insert(account.id, account.label(), account.uuid.to_string());
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Conflict, ConflictKind, Held, Loss, Plan};
    use crate::roster::{FieldNames, Incomplete, PendingReason};

    /// The contract's exit status: where several hold, 5, 4, 3.
    #[test]
    fn the_gravest_outcome_of_a_plan_decides() {
        let mut preview =
            Preview { plan: Plan::default(), incomplete: None, server: None, names: FieldNames::default() };
        assert_eq!(exit_code(&preview), 0);
        preview.plan.opened.push(Conflict {
            kind: ConflictKind::AddressTaken,
            subject: String::new(),
            owner: None,
            detail: String::new(),
            other: None,
        });
        assert_eq!(exit_code(&preview), 3);
        preview.plan.held.push(Held {
            user: UserId(1),
            label: "ada".into(),
            kind: crate::plan::BrakeKind::Missing,
            loses: Loss::Access(PendingReason::Gone),
        });
        assert_eq!(exit_code(&preview), 4);
        preview.incomplete = Some(Incomplete { cause: "size-limit", says: String::new(), attribute: None });
        assert_eq!(exit_code(&preview), 5);
    }
}
