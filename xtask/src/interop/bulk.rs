//! Much data, and whether every bit of it arrives.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{PATIENCE, Suite, Verdict, output_of};
use crate::lab::client::Client;
use crate::lab::socks::{Socks, Target};
use crate::lab::web;

/// curl downloads one large file.
pub(super) fn download(suite: &Suite<'_>, client: &Client) -> Verdict {
    let length = suite.scale.file;
    let start = Instant::now();
    let mut curl = curl(&client.socks)
        .arg(format!("http://www.example.test:{}/{length}", suite.web.port()))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("curl")?;
    let (got, hash) = web::read_hash(curl.stdout.take().context("curl has no output")?)?;
    ensure!(curl.wait()?.success(), "curl failed after {got} bytes");
    same(length, got, &hash)?;
    Ok(rate(length, start))
}

/// curl uploads one large file.
pub(super) fn upload(suite: &Suite<'_>, client: &Client) -> Verdict {
    let length = suite.scale.file;
    let path = suite.lab.scratch.path().join("upload");
    let mut file = File::create(&path)?;
    web::write_pattern(length, |bytes| file.write_all(bytes))?;
    let start = Instant::now();
    let hash = output_of(
        curl(&client.socks)
            .arg("--upload-file")
            .arg(&path)
            .arg(format!("http://www.example.test:{}/sha256", suite.web.port())),
    )?;
    same(length, length, &hash)?;
    Ok(rate(length, start))
}

/// Many downloads at once, each over a stream of its own.
pub(super) fn parallel(suite: &Suite<'_>, client: &Client) -> Verdict {
    let length = suite.scale.each;
    let port = suite.web.port();
    let start = Instant::now();
    let downloads: Vec<_> = (0..suite.scale.streams)
        .map(|_| {
            let socks = client.socks.clone();
            thread::spawn(move || -> Result<()> {
                let body = web::get(&socks, Target::Name("www.example.test"), port, length, PATIENCE)?;
                let (got, hash) = web::read_hash(body)?;
                same(length, got, &hash)
            })
        })
        .collect();
    let mut bad = Vec::new();
    for download in downloads {
        match download.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => bad.push(format!("{error:#}")),
            Err(_) => bad.push("the test's own thread failed".to_owned()),
        }
    }
    let first = bad.first().map_or("", String::as_str);
    ensure!(bad.is_empty(), "{} of {} failed, the first: {first}", bad.len(), suite.scale.streams);
    Ok(rate(length * u64::from(suite.scale.streams), start))
}

/// curl through the proxy: silent but for errors, failing on an HTTP error, limited in time.
pub(super) fn curl(socks: &Socks) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail", "--max-time", "290", "--socks5-hostname"]).arg(socks.address().to_string());
    curl
}

fn same(length: u64, got: u64, hash: &str) -> Result<()> {
    ensure!(got == length, "{got} bytes of {length} arrived");
    ensure!(hash == web::pattern_hash(length), "the content differs");
    Ok(())
}

fn rate(bytes: u64, start: Instant) -> String {
    let mib = u32::try_from(bytes / 1024).map_or(f64::NAN, f64::from) / 1024.0;
    format!("{mib} MiB at {:.1} MiB/s", mib / start.elapsed().as_secs_f64())
}
