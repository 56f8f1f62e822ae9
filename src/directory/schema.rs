//! Which attributes a server knows (RFC 4512, 4.2), so that a misspelt one is named before anybody is missed.

use std::collections::HashSet;

use super::connect::Connection;
use super::error::DirectoryError;
use super::kinds::is_server_given;
use super::paging::{self, Search};
use super::searches::Searches;
use super::settings::Scope;

/// Checks every attribute that the configuration itself names against the server's schema; passes when the server
/// does not show its schema.
///
/// # Errors
/// The attributes that are unknown, each with its key.
pub async fn check(connection: &mut Connection, searches: &Searches) -> Result<(), DirectoryError> {
    let mut unknown = unknown(connection, searches).await?;
    if unknown.len() < 2 {
        return unknown.pop().map_or(Ok(()), Err);
    }
    let named: Vec<String> = unknown
        .iter()
        .filter_map(|error| match error {
            DirectoryError::UnknownAttribute { key, attribute, .. } => Some(format!("`{attribute}` ({key})")),
            _ => None,
        })
        .collect();
    let (server, named) = (connection.about.server.clone(), named.join(", "));
    Err(DirectoryError::UnknownAttributes { server, named })
}

/// Every attribute that [`check`] would refuse.
pub async fn unknown(connection: &mut Connection, searches: &Searches) -> Result<Vec<DirectoryError>, DirectoryError> {
    let Some(known) = read(connection).await? else { return Ok(Vec::new()) };
    let server = connection.about.server.clone();
    let written = searches.mapping().written().iter().filter(|(_, attribute)| {
        let name = attribute.to_ascii_lowercase();
        !known.contains(&name) && !is_server_given(&name)
    });
    let refused = |(key, attribute): &(String, String)| {
        let (server, key, attribute) = (server.clone(), key.clone(), attribute.clone());
        DirectoryError::UnknownAttribute { server, key, attribute }
    };
    Ok(written.map(refused).collect())
}

/// Lower-case names and OIDs of all attribute types; `None` where the server does not show its schema.
pub(super) async fn read(connection: &mut Connection) -> Result<Option<HashSet<String>>, DirectoryError> {
    let Some(base) = connection.about.schema.clone() else { return Ok(None) };
    let search = Search::once(&base, Scope::Base, "(objectClass=subschema)", &["attributeTypes"]);
    let mut known = HashSet::new();
    paging::one(&mut connection.wire, &search, "reading the schema", |entry| {
        entry.texts("attributeTypes").for_each(|definition| known.extend(names(&definition)));
    })
    .await?;
    Ok((!known.is_empty()).then_some(known))
}

/// The names in `( 2.5.4.4 NAME ( 'sn' 'surname' ) … )`, and the OID.
fn names(definition: &str) -> Vec<String> {
    let inside = definition.trim().trim_start_matches('(').trim_start();
    let (oid, rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let mut names = vec![oid.to_ascii_lowercase()];
    let Some((_, after)) = rest.split_once("NAME ") else { return names };
    let after = after.trim_start();
    let list = match after.strip_prefix('(') {
        Some(several) => several.split(')').next().unwrap_or_default(),
        None => after.get(..after.match_indices('\'').nth(1).map_or(0, |(end, _)| end + 1)).unwrap_or_default(),
    };
    names.extend(list.split('\'').skip(1).step_by(2).map(str::to_ascii_lowercase));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_give_all_their_names() {
        assert_eq!(names("( 2.5.4.4 NAME ( 'sn' 'surName' ) DESC 'x' SUP name )"), ["2.5.4.4", "sn", "surname"]);
        assert_eq!(names("( 2.5.4.42 NAME 'givenName' DESC 'NAME of' )"), ["2.5.4.42", "givenname"]);
        assert_eq!(names("( 1.2.3 DESC 'nameless' )"), ["1.2.3"]);
        assert_eq!(names("(1.2.3 NAME 'x"), ["1.2.3"]);
        assert_eq!(names(""), [""]);
    }
}
