//! Stand-in for the daemon, dropped when the real one is merged.

pub mod log {
    //! Stand-in.

    use crate::config::LogFormat;

    /// Stand-in.
    pub fn init(_format: LogFormat, _level: &str) -> Handle {
        Handle
    }

    /// Stand-in.
    #[derive(Debug)]
    pub struct Handle;
}

use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::store::Store;

/// Stand-in.
#[derive(Debug, thiserror::Error)]
#[error("stand-in")]
pub struct DaemonError;

/// Stand-in.
pub async fn run(
    _path: &Path,
    _first: Config,
    _store: Arc<dyn Store>,
    _clock: Arc<dyn Clock>,
    _log: log::Handle,
) -> Result<(), DaemonError> {
    Ok(())
}
