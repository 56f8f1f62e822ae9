//! `rosterd config`

use serde_json::json;

use crate::cli::args::ConfigCommand;
use crate::cli::commands::Session;
use crate::cli::failure::Failure;
use crate::cli::{escape, exit};

/// Shows or checks the configuration; a refused one has told every problem.
pub fn run(session: &mut Session, command: ConfigCommand) -> Result<u8, Failure> {
    match command {
        ConfigCommand::Print => print(session),
        ConfigCommand::Validate => validate(session),
    }
}

fn print(session: &mut Session) -> Result<u8, Failure> {
    let config = session.config()?;
    if session.screen.json {
        let path = config.path.display().to_string();
        session.screen.json(&json!({ "config": path, "toml": config.render() }))?;
        return Ok(exit::DONE);
    }
    for line in config.render().lines() {
        writeln!(session.screen.out(), "{}", escape::text(line))?;
    }
    Ok(exit::DONE)
}

fn validate(session: &mut Session) -> Result<u8, Failure> {
    let config = match session.config_loudly() {
        Err(Failure::Config(problems)) if session.screen.json => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            session.screen.json(
                &json!({ "config": session.path.display().to_string(), "accepted": false, "problems": problems }),
            )?;
            return Ok(exit::CONFIG);
        }
        config => config?,
    };
    let path = config.path.display().to_string();
    if session.screen.json {
        let notes: Vec<String> = config.notes.iter().map(ToString::to_string).collect();
        session.screen.json(&json!({ "config": path, "accepted": true, "notes": notes }))?;
    } else {
        writeln!(session.screen.out(), "{}: accepted", escape::value(&path))?;
    }
    Ok(exit::DONE)
}
