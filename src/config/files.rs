//! The files a configuration names: passwords, certificates, keys.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;

use super::document::reason;
use super::problem::Fault;

/// The longest password, in octets.
const LONGEST_PASSWORD: usize = 1024;

/// A password from a file that nobody but its owner may read. One line end after it is not part of it.
pub fn password(file: &Path) -> Result<SecretString, Fault> {
    let shown = file.display();
    if let Ok(meta) = std::fs::metadata(file) {
        let mode = meta.permissions().mode() & 0o777;
        if meta.is_file() && mode & 0o077 != 0 {
            let says = format!("others than its owner may use the password file {shown} (mode {mode:04o})");
            return Err(Fault::new(says, format!("chmod 600 {shown}")));
        }
    }
    credential(file)
}

/// A password from a file that systemd put there, whose mode shows the mask of an access list instead of who may read.
pub fn credential(file: &Path) -> Result<SecretString, Fault> {
    let shown = file.display();
    let write = format!("write the password into {shown} and chmod 600 {shown}");
    let meta = std::fs::metadata(file).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::PermissionDenied => {
                "let the account rosterd runs as enter its folder (x for each folder above it)".to_owned()
            }
            _ => write.clone(),
        };
        Fault::new(format!("cannot read the password file {shown}: {}", reason(&error)), remedy)
    })?;
    if !meta.is_file() {
        return Err(Fault::new(format!("{shown} is not a file"), "name the file that has the password"));
    }
    let text = std::fs::read(file).map_err(|error| {
        let remedy = format!("let the account rosterd runs as own it: chown rosterd {shown}; chmod 600 {shown}");
        Fault::new(format!("cannot read the password file {shown}: {}", reason(&error)), remedy)
    })?;
    let Ok(text) = String::from_utf8(text) else {
        return Err(Fault::new(format!("the password file {shown} is not UTF-8"), write));
    };
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() {
        return Err(Fault::new(format!("the password file {shown} is empty"), write));
    }
    if line.len() > LONGEST_PASSWORD {
        let says = format!("the password in {shown} is {} octets long", line.len());
        return Err(Fault::new(says, format!("at most {LONGEST_PASSWORD} are taken")));
    }
    Ok(SecretString::from(line))
}

/// Whether a file has certificates (PEM) and nothing broken.
pub fn certificates(file: &Path) -> Result<(), Fault> {
    let shown = file.display();
    let text = read(file, "certificate")?;
    let mut found = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        certificate
            .map_err(|error| Fault::new(format!("{shown} is broken: {error}"), "give a PEM file with certificates"))?;
        found += 1;
    }
    if found == 0 {
        let remedy = "give a PEM file with at least one BEGIN CERTIFICATE";
        return Err(Fault::new(format!("{shown} has no certificate in it"), remedy));
    }
    Ok(())
}

/// Whether a file has a private key (PEM) that only its owner may read.
pub fn private_key(file: &Path) -> Result<(), Fault> {
    let shown = file.display();
    let text = read(file, "key")?;
    if let Ok(meta) = std::fs::metadata(file) {
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let says = format!("others than its owner may use the key {shown} (mode {mode:04o})");
            return Err(Fault::new(says, format!("chmod 600 {shown}")));
        }
    }
    let remedy = "give a PEM file with one unencrypted private key";
    PrivateKeyDer::from_pem_slice(&text)
        .map(drop)
        .map_err(|_| Fault::new(format!("{shown} has no private key in it"), remedy))
}

fn read(file: &Path, what: &str) -> Result<Vec<u8>, Fault> {
    let shown = file.display();
    std::fs::read(file).map_err(|error| {
        let says = format!("cannot read the {what} file {shown}: {}", reason(&error));
        Fault::new(says, "name an existing file that rosterd may read")
    })
}
