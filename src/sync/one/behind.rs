//! Whether the server can be believed about one person (E7).

use crate::directory::Connection;
use crate::plan::Basis;
use crate::roster::Incomplete;
use crate::store::Outcome;
use crate::sync::{Scene, SyncError, basis};

/// Whether the server knows less than the one of the last complete run, or is another one that does not tell (E7).
pub(super) async fn behind(scene: &Scene<'_>, connection: &mut Connection) -> Result<Option<Incomplete>, SyncError> {
    let server = connection.about().server.clone();
    let mut now = basis::of(scene.config, &server, connection.standing().await, scene.clock);
    let last = scene.store.basis(&scene.config.source.name, &Outcome::COMPLETE).await?;
    // That two complete runs agree shows in the last one.
    let strange =
        |(_, last): (_, Basis)| now.behind(&last).or_else(|| now.strange(&last, None, (scene.clock.now(), None)));
    Ok(last.and_then(strange))
}
