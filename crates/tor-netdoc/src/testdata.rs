//! Known answers from `testdata/*.json`; each file says where it comes from.

use serde_json::Value;

pub(crate) fn load(name: &str) -> Value {
    let path = format!("{}/testdata/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(crate) fn cases(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

/// A negative case of `netdoc.json`: edits of the base by line, from the last to the first.
pub(crate) fn edited(base: &str, case: &Value) -> String {
    let mut lines: Vec<&str> = base.split('\n').collect();
    for edit in cases(&case["edits"]).collect::<Vec<_>>().into_iter().rev() {
        let number = |name: &str| usize::try_from(edit[name].as_u64().unwrap()).unwrap();
        let first = number("first_line") - 1;
        lines.splice(first..first + number("remove_lines"), cases(&edit["insert"]).map(text));
    }
    lines.join("\n")
}

/// The three certificates that sign `mini_consensus`.
pub(crate) fn mini_certs(netdoc: &Value) -> Vec<crate::AuthCert> {
    cases(&netdoc["authority_certificates"])
        .filter(|case| text(&case["name"]).contains("authcerts2"))
        .map(|case| crate::AuthCert::parse(text(&case["text"])).unwrap())
        .collect()
}
