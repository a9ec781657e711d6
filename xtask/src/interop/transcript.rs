//! `cargo xtask interop transcript`: the same words to C Tor and to us, and whether the answers are equal.
//!
//! `script.txt` is what is said, [`play`] says it, [`mask`] hides what may differ, [`differences`] lists what does
//! differ and why. `--check` says it to two C Tors instead: whatever differs then, the masks have to hide.

mod differences;
mod keys;
mod mask;
mod play;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;

use super::control::Controlled;
use super::sides::{Side, Sides};
use crate::lab::{Lab, web};
use play::{Exchange, Player};

#[derive(Debug, Args)]
pub(crate) struct Transcript {
    #[command(flatten)]
    sides: Sides,
    /// Compare C Tor with C Tor, to test the masks.
    #[arg(long)]
    check: bool,
    /// Writes both transcripts here, before and after masking.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// The whole of it, or the short form.
pub(super) fn with(sides: Sides) -> Result<()> {
    transcript(&Transcript { sides, check: false, keep: None })
}

/// Prints each difference; fails if one is not justified.
pub(super) fn transcript(options: &Transcript) -> Result<()> {
    let mut sides = options.sides.all()?;
    if options.check {
        sides.truncate(1);
        sides.extend(sides.first().cloned());
    }
    let lab = Lab::open(options.sides.dir.as_deref())?;
    let server = web::serve(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let mut clients = Vec::new();
    for (index, side) in sides.iter().enumerate() {
        // Equal in length, so that nothing is cut off in one answer only.
        let home = lab.scratch.path().join(format!("client-{index}"));
        let client = Controlled::ready_with_password(&side.binary, &home, &lab.network, TORRC)
            .with_context(|| side.name)?;
        clients.push((side, home, client));
    }
    let (_, _, measure) = clients.first().context("no client to ask")?;
    let (names, keys) = play::what_to_ask(measure, &lab.network)?;
    let play = &|index: usize| -> Result<Vec<Exchange>> {
        let (side, home, client) = clients.get(index).context("no such client")?;
        let mut player = Player::new(client, &lab.network, home, (&names, &keys), server.port());
        let played = player.play(SCRIPT).with_context(|| side.name);
        let heard = std::mem::take(&mut player.heard);
        println!("{}: {} answers", side.name, heard.len());
        if let Some(dir) = &options.keep {
            keep(dir, index, &heard)?;
        }
        played.map(|()| heard)
    };
    // Both at once: most of the time goes by in waiting for events.
    let transcripts: Result<Vec<_>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients.len()).map(|index| scope.spawn(move || play(index))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a player's thread failed"))?)
            .collect()
    });
    let transcripts = transcripts?;
    let [one, other] = transcripts.as_slice() else { return Ok(()) };
    let both: Vec<_> = sides.iter().collect();
    compare(&both, one, other, options.check)
}

fn compare(sides: &[&Side], one: &[Exchange], other: &[Exchange], is_check: bool) -> Result<()> {
    let (mut equal, mut justified, mut wrong) = (0_u32, 0_u32, 0_u32);
    let mut judge = differences::Judge::default();
    for (ours, theirs) in other.iter().zip(one) {
        if ours.heard == theirs.heard {
            equal += 1;
            continue;
        }
        if !is_check && let Some(reason) = judge.reason(theirs, ours) {
            justified += 1;
            println!("justified: {}: {reason}", theirs.said);
            continue;
        }
        wrong += 1;
        println!("DIFFERENT: {}", shortened(&theirs.said));
        for (side, exchange, against) in sides
            .iter()
            .zip([theirs, ours])
            .zip([ours, theirs])
            .map(|((side, one), other)| (side, one, other))
        {
            print_lines(side.name, exchange, against);
        }
    }
    ensure!(one.len() == other.len(), "{} answers against {}", one.len(), other.len());
    println!("{equal} answers equal, {justified} justified differences, {wrong} others");
    ensure!(wrong == 0, "{wrong} answers differ");
    Ok(())
}

/// The lines that the other does not have, as they were on the wire.
fn print_lines(name: &str, exchange: &Exchange, against: &Exchange) {
    let mut shown = 0;
    for (masked, raw) in exchange.heard.iter().zip(&exchange.raw) {
        if against.heard.contains(masked) {
            continue;
        }
        shown += 1;
        if shown <= 8 {
            println!("  {name:<6} {}", shortened(raw));
        }
    }
    if shown == 0 {
        println!("  {name:<6} (no line that the other lacks; {} lines)", exchange.heard.len());
    }
    if shown > 8 {
        println!("  {name:<6} ... {shown} lines");
    }
}

fn shortened(line: &str) -> String {
    let end = line.char_indices().nth(300).map_or(line.len(), |(end, _)| end);
    line.get(..end).unwrap_or(line).to_owned()
}

fn keep(dir: &std::path::Path, index: usize, heard: &[Exchange]) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let text = |lines: fn(&Exchange) -> &Vec<String>| -> String {
        heard.iter().map(|one| format!("> {}\n{}\n", one.said, lines(one).join("\n"))).collect()
    };
    std::fs::write(dir.join(format!("{index}.raw.txt")), text(|one| &one.raw))?;
    std::fs::write(dir.join(format!("{index}.masked.txt")), text(|one| &one.heard))?;
    Ok(())
}

const SCRIPT: &str = include_str!("transcript/script.txt");
/// Learned build times would have circuits fail at random on a network of one machine.
const TORRC: &str = "LearnCircuitBuildTimeout 0\nConfluxEnabled 0\nSafeLogging 0\n";
