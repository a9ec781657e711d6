//! What may differ between two clients that say the same: names, numbers, times.
//!
//! A line becomes words and what is between them. Fingerprints, digests and keys are masked everywhere, and so
//! are nicknames of the private network's relays and moments in time; numbers only where they measure something,
//! for in a configuration they are what is asked about. A path of relays is one `PATH`, however long.

/// The replacements of one client: its directory, its ports, its cookie.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Vec<(String, &'static str)>);

impl Names {
    /// Has `text` written as `name`. Longer texts go first.
    pub(super) fn add(&mut self, text: impl Into<String>, name: &'static str) {
        self.0.push((text.into(), name));
        self.0.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// The masked line. `numbers`: mask plain numbers, too.
    pub(super) fn mask(&self, line: &str, numbers: bool) -> String {
        let mut line = line.to_owned();
        for (text, name) in &self.0 {
            line = line.replace(text.as_str(), name);
        }
        // The code of a reply is what it is all about.
        let (code, rest) = match line.get(..3) {
            Some(code)
                if code.bytes().all(|byte| byte.is_ascii_digit())
                    && matches!(line.as_bytes().get(3), Some(b' ' | b'-' | b'+')) =>
            {
                line.split_at(3)
            }
            _ => ("", line.as_str()),
        };
        let mut masked = code.to_owned();
        let mut rest = rest;
        while !rest.is_empty() {
            let length = rest.find(|letter: char| !is_word(letter)).unwrap_or(rest.len());
            if length == 0 {
                let end = rest.char_indices().nth(1).map_or(rest.len(), |(end, _)| end);
                let (between, after) = rest.split_at(end);
                masked.push_str(between);
                rest = after;
                continue;
            }
            let (word, after) = rest.split_at(length);
            let is_moment = is_date(rest);
            let (word, after) = if is_moment { rest.split_at(moment(rest)) } else { (word, after) };
            if after.starts_with(".virtual") && word.len() == 16 {
                masked.push_str("NAME");
                rest = after;
                continue;
            }
            masked.push_str(if is_moment { "TIME" } else { masked_word(word, numbers) });
            rest = after;
        }
        paths_as_one(&without_ipv6(&masked))
    }
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '_')
}

/// `2026-11-23` and so on.
fn is_date(text: &str) -> bool {
    let shape = text.as_bytes().get(..10);
    shape.is_some_and(|bytes| {
        bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    })
}

/// How much of the text is a date with a time after it.
fn moment(text: &str) -> usize {
    let end = |text: &str| {
        text.find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, ':' | '.')))
            .unwrap_or(text.len())
    };
    let after = text.get(10..).unwrap_or_default();
    let is_time = |time: &str| time.as_bytes().get(2) == Some(&b':');
    match after.strip_prefix(['T', ' ']) {
        Some(time) if is_time(time) => 11 + end(time).min(15),
        _ => 10,
    }
}

fn masked_word(word: &str, numbers: bool) -> &str {
    let all = |is: fn(&u8) -> bool| word.bytes().all(|byte| is(&byte));
    let nickname = ["auth", "relay", "exit"].iter().any(|role| {
        word.strip_prefix(role)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    });
    if nickname {
        "NICK"
    } else if word.len() >= 16 && all(u8::is_ascii_hexdigit) {
        "HEX"
    } else if is_key(word) {
        "KEY"
    } else if all(u8::is_ascii_digit) && numbers {
        "N"
    } else {
        word
    }
}

/// Base64 of a digest or a key, with or without padding, which is no word here.
fn is_key(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.bytes().any(|byte| is(&byte));
    matches!(word.len(), 27 | 43 | 64 | 86 | 171 | 172)
        && !word.contains('_')
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && (has(u8::is_ascii_digit) || word.contains(['+', '/']))
}

/// An address in brackets, which a client has made up.
fn without_ipv6(line: &str) -> String {
    let Some((before, rest)) = line.split_once("[fe") else { return line.to_owned() };
    let Some((_, after)) = rest.split_once(']') else { return line.to_owned() };
    format!("{before}IPV6{}", without_ipv6(after))
}

/// `$HEX~NICK,$HEX~NICK` has as many relays as it happens to have.
fn paths_as_one(line: &str) -> String {
    let mut line = line.replace("$HEX~NICK", "PATH").replace("$HEX=NICK", "PATH");
    while line.contains("PATH,PATH") {
        line = line.replace("PATH,PATH", "PATH");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(line: &str, numbers: bool) -> String {
        let mut names = Names::default();
        names.add("/tmp/lab/x", "HOME");
        names.mask(line, numbers)
    }

    #[test]
    fn circuits_look_alike() {
        let one = "250-circuit-status=17 BUILT $52093572DEE82595FBD71B295D43DC202B398454~auth1,\
                   $75DD2FC109B6E5F277B3523135E45832B41D3E9C~exit2 TIME_CREATED=2026-11-22T12:55:06.920819";
        assert_eq!(masked(one, true), "250-circuit-status=N BUILT PATH TIME_CREATED=TIME");
    }

    #[test]
    fn numbers_of_a_configuration_stay() {
        assert_eq!(masked("250 MaxCircuitDirtiness=600", false), "250 MaxCircuitDirtiness=600");
        assert_eq!(masked("250 DataDirectory=/tmp/lab/x/data", false), "250 DataDirectory=HOME/data");
    }

    #[test]
    fn moments_are_masked_in_both_forms() {
        assert_eq!(masked("250-current-time/utc=2026-11-22 12:55:06", false), "250-current-time/utc=TIME");
        assert_eq!(masked("r NICK 2038-01-01 00:00:00 127.0.0.1", true), "r NICK TIME N.N.N.N");
    }
}
