//! `tor-client ctl`: a small controller for people and scripts. It speaks to any control port, C Tor's too.

mod bandwidth;
mod find;
mod link;
mod views;

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use tor_ctrl_events::Event;

use self::{link::Link, views::View};

/// What stands behind `ctl`.
#[derive(Debug, Parser)]
#[command(name = "tor-client ctl", about = "Asks a running client how it is, and tells it what to do")]
struct Cli {
    #[command(flatten)]
    way: Way,
    /// Answers as JSON, for scripts: one value, or one a line where there is no end
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// Where the control port is, and how to get in.
#[derive(Debug, Args)]
pub(crate) struct Way {
    /// The control port: ADDRESS:PORT, PORT, or unix:PATH
    #[arg(long, value_name = "PLACE", env = "TOR_CONTROL_PORT", global = true)]
    port: Option<String>,
    /// The torrc of the client, which says where its control port is
    #[arg(short = 'f', long, value_name = "FILE", global = true)]
    torrc: Option<PathBuf>,
    /// A file whose first line is the password; the environment's TOR_CONTROL_PASSWD does as well
    #[arg(long, value_name = "FILE", global = true)]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How the client is
    Status,
    /// Its circuits
    Circuits,
    /// Its streams
    Streams,
    /// Its guards
    Guards,
    /// Events as they come, until interrupted
    Events {
        /// CIRC, STREAM, BW, NOTICE …; `get events/names` lists them
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// New circuits for new connections
    Newnym,
    /// A live graph of what is read and written
    Bandwidth,
    /// The values of GETINFO keys; `get info/names` lists them
    Get {
        /// The keys
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Options of the configuration
    Conf {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// Runs `ctl` with these arguments, those after the word itself.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(std::iter::once(OsString::from("tor-client ctl")).chain(arguments)) {
        Ok(cli) => cli,
        Err(usage) => {
            let _nowhere_to_say_it = usage.print();
            return if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match serve(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads us has seen enough: `ctl events BW | head -1`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _nowhere_to_say_it = writeln!(io::stderr(), "tor-client ctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn serve(cli: Cli) -> Result<()> {
    let Cli { way, json, command } = cli;
    let mut link = Link::open(&find::place(&way)?, find::password(&way)?.as_deref())?;
    match command {
        Command::Status => show(&views::status(&mut link)?, json),
        Command::Circuits => show(&views::circuits(&mut link)?, json),
        Command::Streams => show(&views::streams(&mut link)?, json),
        Command::Guards => show(&views::guards(&mut link)?, json),
        Command::Get { keys } => say(views::get(&mut link, &keys)?, json),
        Command::Conf { names } => say(views::conf(&mut link, &names)?, json),
        Command::Newnym => {
            link.ask("SIGNAL NEWNYM")?;
            say(("New connections use new circuits.".to_owned(), Value::Bool(true)), json)
        }
        Command::Events { names } => events(link, &names, json),
        Command::Bandwidth => bandwidth::show(link, json),
    }
}

fn show(view: &View, json: bool) -> Result<()> {
    let width = terminal_width();
    say((view.text(width), view.json().clone()), json)
}

/// Without a terminal there is nothing to fit into: the lines are as long as they are.
fn terminal_width() -> Option<u16> {
    if !io::stdout().is_terminal() {
        return Some(u16::MAX);
    }
    ratatui::crossterm::terminal::size().ok().map(|(columns, _)| columns)
}

fn say((text, value): (String, Value), json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{value}")?
    } else {
        writeln!(out, "{text}")?
    }
    Ok(())
}

/// Prints events until the client ends or nobody reads any more.
fn events(mut link: Link, names: &[String], json: bool) -> Result<()> {
    link.listen(names)?;
    let mut out = io::stdout().lock();
    while let Some(text) = link.event()? {
        if json {
            let event = Event::parse(&text).context("an event that can't be read")?;
            let line = event.to_json_line(tor_net::clock::wall());
            writeln!(out, "{}", line.trim_end())?;
        } else {
            write!(out, "{}", text.replace("\r\n", "\n"))?;
        }
        out.flush()?;
    }
    Ok(())
}
