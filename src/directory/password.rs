//! The bind password: read anew for every connection, so that it can be rotated without a restart.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use secrecy::SecretString;

use super::DirectoryError;
use super::settings::{Bind, PasswordSource, Settings};
use crate::clock::environment;
use crate::roster::Digest;

/// The longest password file.
const MAX_BYTES: u64 = 64 << 10;

impl PasswordSource {
    /// Reads the password. Refused: a file that others than its owner may read, and a password that is empty, only
    /// white space, or not UTF-8. One newline at the end is not part of it.
    pub fn read(&self) -> Result<SecretString, DirectoryError> {
        match self {
            Self::File(path) => read(path, &format!("`{}`", path.display()), true),
            Self::Typed(password) => Ok(password.0.clone()),
            Self::Credential(name) => {
                let from = format!("the systemd credential `{name}`");
                let refused = |says: &str| DirectoryError::Password { from: from.clone(), says: says.to_owned() };
                if name.is_empty() || name.contains('/') {
                    return Err(refused("that is not a credential's name; correct source.bind_password_credential"));
                }
                let folder = environment("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| refused("$CREDENTIALS_DIRECTORY is not set; add LoadCredential= to the unit"))?;
                // systemd keeps the folder from everybody else.
                read(&Path::new(&folder).join(name), &from, false)
            }
        }
    }
}

/// Tells one password file from another without looking into it: changes whenever the file is written or replaced
/// (E9). `None` without a password.
pub fn password_stamp(settings: &Settings) -> Option<Digest> {
    let Bind::Simple { dn, password } = &settings.bind else { return None };
    let path = match password {
        PasswordSource::File(path) => path.clone(),
        PasswordSource::Credential(name) => Path::new(&environment("CREDENTIALS_DIRECTORY")?).join(name),
        PasswordSource::Typed(_) => return None,
    };
    let facts = path.metadata().ok()?;
    let stamp = (dn, &path, facts.ino(), facts.size(), facts.mtime(), facts.mtime_nsec());
    Some(Digest::of(format!("{stamp:?}")))
}

fn read(path: &Path, from: &str, private: bool) -> Result<SecretString, DirectoryError> {
    let refused = |says: String| DirectoryError::Password { from: from.to_owned(), says };
    let trouble = |error: std::io::Error| refused(format!("{error}; check that the file is there and readable"));
    let file = File::open(path).map_err(trouble)?;
    let facts = file.metadata().map_err(trouble)?;
    if facts.is_dir() {
        return Err(refused("it is a folder; name the file in it".to_owned()));
    }
    let mode = facts.mode() & 0o7777;
    if private && mode & 0o077 != 0 {
        return Err(refused(format!("others may read it (mode {mode:04o}); run `chmod 0600` on it")));
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => refused("it is not UTF-8; write the password as UTF-8".to_owned()),
        _ => trouble(error),
    })?;
    if text.ends_with('\n') {
        text.pop();
    }
    if text.trim().is_empty() {
        return Err(refused("it is empty, which would bind as nobody; write the password into it".to_owned()));
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    fn stored(content: &[u8], mode: u32) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let read = PasswordSource::File(path).read();
        read.map(|password| password.expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    /// E8
    #[test]
    fn exactly_one_newline_is_taken_off() {
        assert_eq!(stored(b"secret", 0o600).unwrap(), "secret");
        assert_eq!(stored(b" sec ret \n", 0o400).unwrap(), " sec ret ");
        assert_eq!(stored(b"secret\n\n", 0o600).unwrap(), "secret\n");
    }

    /// E8
    #[test]
    fn what_would_bind_as_nobody_or_is_open_to_others_is_refused() {
        for (content, mode, says) in [
            (&b""[..], 0o600, "empty"),
            (b"\n", 0o600, "empty"),
            (b" \t\n", 0o600, "empty"),
            (b"\xff\n", 0o600, "UTF-8"),
            (b"secret", 0o640, "0640"),
            (b"secret", 0o604, "0604"),
        ] {
            let error = stored(content, mode).unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{error}");
        }
        let missing = PasswordSource::File("/nonexistent/password".into()).read().unwrap_err().to_string();
        assert!(missing.contains("/nonexistent/password"), "{missing}");
        let odd = PasswordSource::Credential("../etc/shadow".into()).read().unwrap_err().to_string();
        assert!(odd.contains("not a credential's name"), "{odd}");
    }
}
