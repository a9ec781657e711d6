//! What the client has, as tables for people and as JSON for scripts.

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};
use tor_ctrl_events::{Circ, Event, LongName, Stream};

use super::link::Link;

/// What to show: rows under a head, and the same for scripts.
pub(crate) struct View {
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
    json: Value,
    /// Said instead of an empty table.
    nothing: &'static str,
}

impl View {
    /// A table that fits `width` columns.
    pub(crate) fn text(&self, width: Option<u16>) -> String {
        if self.rows.is_empty() {
            return self.nothing.to_owned();
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = width {
            table.set_width(width);
        }
        if !self.head.is_empty() {
            table.set_header(self.head);
        }
        table.add_rows(&self.rows);
        table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn json(&self) -> &Value {
        &self.json
    }
}

/// `status`: how the client is.
pub(crate) fn status(link: &mut Link) -> Result<View> {
    let phase = link.info("status/bootstrap-phase")?;
    let word =
        |key: &str| phase.split(' ').find_map(|word| word.strip_prefix(key)).unwrap_or_default().to_owned();
    let summary =
        phase.split_once("SUMMARY=\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
    let count = |text: &str| json!(lines(text).count());
    let number = |text: &str| text.parse::<u64>().map_or(Value::Null, Value::from);
    let facts = [
        Fact::text("version", link.info("version")?),
        Fact::of("bootstrap", number(&word("PROGRESS=")), format!("{}% {summary}", word("PROGRESS="))),
        Fact::yes_or_no("circuit established", &link.info("status/circuit-established")?),
        Fact::text("network", link.info("network-liveness")?),
        Fact::number("circuits", count(&link.info("circuit-status")?)),
        Fact::number("streams", count(&link.info("stream-status")?)),
        Fact::shown("read", number(&link.info("traffic/read")?), bytes),
        Fact::shown("written", number(&link.info("traffic/written")?), bytes),
        Fact::shown("uptime", number(&link.info("uptime")?), seconds),
        Fact::text("socks ports", link.info("net/listeners/socks")?.replace('"', "")),
        Fact::number("pid", number(&link.info("process/pid")?)),
    ];
    let json = facts.iter().map(|fact| (fact.name.replace(' ', "_"), fact.value.clone())).collect();
    let rows = facts.into_iter().map(|fact| vec![fact.name.to_owned(), fact.shown]).collect();
    Ok(View { head: &[], rows, json: Value::Object(json), nothing: "" })
}

/// One line of `status`: for scripts as it is, for people as they read it.
struct Fact {
    name: &'static str,
    value: Value,
    shown: String,
}

impl Fact {
    const fn of(name: &'static str, value: Value, shown: String) -> Self {
        Self { name, value, shown }
    }

    fn text(name: &'static str, text: String) -> Self {
        Self::of(name, json!(text), text)
    }

    fn number(name: &'static str, value: Value) -> Self {
        let shown = value.to_string();
        Self::of(name, value, shown)
    }

    fn shown(name: &'static str, value: Value, show: fn(&str) -> String) -> Self {
        let shown = show(&value.to_string());
        Self::of(name, value, shown)
    }

    fn yes_or_no(name: &'static str, flag: &str) -> Self {
        let is_so = flag == "1";
        Self::of(name, json!(is_so), if is_so { "yes" } else { "no" }.to_owned())
    }
}

/// `circuits`.
pub(crate) fn circuits(link: &mut Link) -> Result<View> {
    let text = link.info("circuit-status")?;
    let circuits: Vec<Circ> = lines(&text)
        .filter_map(|line| match Event::parse(&format!("650 CIRC {line}\r\n")) {
            Ok(Event::Circ(circuit)) => Some(circuit),
            _ => None,
        })
        .collect();
    let row = |circuit: &Circ| {
        let path: Vec<_> = circuit.info.path.iter().map(nickname).collect();
        vec![
            circuit.id.to_string(),
            circuit.status.to_string(),
            circuit.info.purpose.to_string(),
            path.join(" → "),
        ]
    };
    let value = |circuit: &Circ| {
        let path: Vec<_> = circuit.info.path.iter().map(ToString::to_string).collect();
        json!({
            "id": circuit.id.0,
            "status": circuit.status.to_string(),
            "purpose": circuit.info.purpose.to_string(),
            "path": path,
        })
    };
    Ok(View {
        head: &["ID", "STATUS", "PURPOSE", "PATH"],
        rows: circuits.iter().map(row).collect(),
        json: circuits.iter().map(value).collect(),
        nothing: "There are no circuits.",
    })
}

/// `streams`.
pub(crate) fn streams(link: &mut Link) -> Result<View> {
    let text = link.info("stream-status")?;
    let streams: Vec<Stream> = lines(&text)
        .filter_map(|line| match Event::parse(&format!("650 STREAM {line}\r\n")) {
            Ok(Event::Stream(stream)) => Some(stream),
            _ => None,
        })
        .collect();
    let circuit =
        |stream: &Stream| stream.circuit.map_or_else(|| "-".to_owned(), |circuit| circuit.to_string());
    let row = |stream: &Stream| {
        vec![stream.id.to_string(), stream.status.to_string(), circuit(stream), stream.target.to_string()]
    };
    let value = |stream: &Stream| {
        json!({
            "id": stream.id.0,
            "status": stream.status.to_string(),
            "circuit": stream.circuit.map(|circuit| circuit.0),
            "target": stream.target.to_string(),
        })
    };
    Ok(View {
        head: &["ID", "STATUS", "CIRCUIT", "TARGET"],
        rows: streams.iter().map(row).collect(),
        json: streams.iter().map(value).collect(),
        nothing: "There are no streams.",
    })
}

/// `guards`.
pub(crate) fn guards(link: &mut Link) -> Result<View> {
    let text = link.info("entry-guards")?;
    let guards: Vec<(&str, &str)> = lines(&text).filter_map(|line| line.split_once(' ')).collect();
    let row = |(name, status): &(&str, &str)| {
        let known = LongName::parse(name);
        let nickname = known.as_ref().map_or_else(|| (*name).to_owned(), nickname);
        vec![nickname, (*status).to_owned(), known.map(|name| name.id.to_string()).unwrap_or_default()]
    };
    Ok(View {
        head: &["GUARD", "STATUS", "FINGERPRINT"],
        rows: guards.iter().map(row).collect(),
        json: guards.iter().map(|(name, status)| json!({ "guard": name, "status": status })).collect(),
        nothing: "There are no guards yet.",
    })
}

/// `get KEY …`: values as they are; of several keys, each under its name.
pub(crate) fn get(link: &mut Link, keys: &[String]) -> Result<(String, Value)> {
    let mut values = Vec::new();
    for key in keys {
        values.push((key, link.info(key)?));
    }
    let json = values.iter().map(|(key, value)| ((*key).clone(), json!(value))).collect();
    let text = match values.as_slice() {
        [(_, value)] => value.trim_end().to_owned(),
        several => several
            .iter()
            .map(|(key, value)| format!("{key}={}", value.trim_end()))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    Ok((text, Value::Object(json)))
}

/// `conf NAME …`: the lines of the configuration.
pub(crate) fn conf(link: &mut Link, names: &[String]) -> Result<(String, Value)> {
    let reply = link.ask(&format!("GETCONF {}", names.join(" ")))?;
    let pair = |text: &str| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    };
    let pairs: Vec<_> = reply.iter().map(|line| pair(&line.text)).collect();
    let text = pairs.iter().map(|(name, value)| match value {
        Some(value) => format!("{name} {value}"),
        None => format!("# {name} is not set"),
    });
    let json = pairs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    Ok((text.collect::<Vec<_>>().join("\n"), json))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty())
}

fn nickname(name: &LongName) -> String {
    name.nickname.clone().unwrap_or_else(|| name.to_string())
}

/// `1.2 MB` of a number of bytes.
pub(crate) fn bytes(count: &str) -> String {
    let Ok(count) = count.parse::<u64>() else { return count.to_owned() };
    let units = ["B", "KB", "MB", "GB", "TB"];
    let mut scale = 0;
    let mut unit = 1_u64;
    while count / unit >= 1024 && scale + 1 < units.len() {
        scale += 1;
        unit *= 1024;
    }
    let unit_name = units.get(scale).copied().unwrap_or_default();
    if unit == 1 {
        return format!("{count} {unit_name}");
    }
    let tenths = count.saturating_mul(10) / unit;
    format!("{}.{} {unit_name}", tenths / 10, tenths % 10)
}

fn seconds(count: &str) -> String {
    let Ok(count) = count.parse::<u64>() else { return count.to_owned() };
    let (days, hours, minutes) = (count / 86400, count / 3600 % 24, count / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{count} s"),
        (0, 0, _) => format!("{minutes} min {} s", count % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_for_people() {
        assert_eq!(bytes("1023"), "1023 B");
        assert_eq!(bytes("1536"), "1.5 KB");
        assert_eq!(bytes("19500000"), "18.5 MB");
        assert_eq!(bytes("?"), "?");
        assert_eq!(seconds("59"), "59 s");
        assert_eq!(seconds("3725"), "1 h 2 min");
        assert_eq!(seconds("90000"), "1 d 1 h");
    }

    #[test]
    fn a_table_fits_its_width() {
        let view = View {
            head: &["ID", "PATH"],
            rows: vec![vec!["1".to_owned(), "alpha → beta → gamma → delta".repeat(3)]],
            json: Value::Null,
            nothing: "",
        };
        assert!(view.text(Some(40)).lines().all(|line| line.chars().count() <= 40));
        assert!(view.text(Some(40)).lines().count() > 2);
    }
}
