//! `docs/configuration.md` lists every option under what this version does with it.

use std::fs;
use std::path::Path;

use tor_config::table::{Support, options};

/// Characters in a line of the page, at the most.
const WIDTH: usize = 115;

#[test]
fn the_page_lists_every_option_where_it_belongs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let lists = [
        ("<!-- obeyed -->\n", Support::Built),
        ("<!-- harmless -->\n", Support::Harmless),
        ("<!-- unbuilt -->\n", Support::Unbuilt),
        ("<!-- relay -->\n", Support::Relay),
    ];
    let up_to_date = lists.iter().fold(page.clone(), |page, (marker, support)| {
        let (before, rest) = page.split_once(marker).unwrap();
        let (_, after) = rest.split_once("<!-- end -->").unwrap();
        format!("{before}{marker}\n{}\n<!-- end -->{after}", list(*support))
    });
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &up_to_date).unwrap();
    } else {
        assert!(page == up_to_date, "run: UPDATE_DOCS=1 cargo test -p tor-config --test docs");
    }
}

/// The names of the options with this support, as a paragraph.
fn list(support: Support) -> String {
    let names = options().iter().filter(|spec| spec.settable() && spec.support == support);
    let mut text = String::new();
    let mut column = 0;
    for name in names.map(|spec| format!("`{}`", spec.name)) {
        if column > 0 && column + 2 + name.len() > WIDTH {
            text.push_str(",\n");
            column = 0;
        } else if column > 0 {
            text.push_str(", ");
            column += 2;
        }
        column += name.len();
        text.push_str(&name);
    }
    text.push('\n');
    text
}
