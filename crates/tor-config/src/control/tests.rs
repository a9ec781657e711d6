use proptest::prelude::*;

use super::*;
use crate::torrc::Entries;
use crate::{NoticeLevel, Origin, Verbosity};

const HASH: &str = "16:872860B76453A77D60CA2BB8C1A7042072093276A3D701AD684053EC4C";

fn read(text: &str) -> Result<(ControlConfig, Vec<String>), String> {
    let (config, warnings) = whole(text)?;
    Ok((config.control, warnings))
}

fn whole(text: &str) -> Result<(Config, Vec<String>), String> {
    let entries = Entries::new(text.as_bytes());
    let lines: Vec<_> = entries.map(|entry| entry.unwrap().at(Origin::CommandLine)).collect();
    let (mut settings, mut notices) = (Settings::default(), Vec::new());
    settings.assign(&lines, &mut notices).map_err(|error| error.plain())?;
    let config =
        Config::from_settings(&settings, Some(Path::new("/home/a")), Verbosity::Normal, &mut notices);
    let warnings = notices.into_iter().filter(|notice| notice.severity == NoticeLevel::Warn);
    let warnings = warnings.map(|notice| notice.text).collect();
    Ok((config.map_err(|error| error.plain())?, warnings))
}

fn control(text: &str) -> ControlConfig {
    read(text).unwrap().0
}

fn binds(text: &str) -> Vec<String> {
    control(text).listeners.iter().map(Bind::to_string).collect()
}

#[test]
fn ports_and_sockets_are_places_to_listen() {
    assert_eq!(binds(""), [""; 0]);
    assert_eq!(binds("ControlPort 9051"), ["127.0.0.1:9051"]);
    assert_eq!(
        binds("ControlPort auto\n__ControlPort [::1]:9052\nControlPort localhost:auto"),
        ["127.0.0.1:auto", "[::1]:9052", "127.0.0.1:auto"]
    );
    assert_eq!(
        binds("ControlPort unix:\"/a b/c\" WorldWritable\nControlSocket /d\nControlSocket unix:/e"),
        ["unix:/a b/c", "unix:/d", "unix:/e"]
    );
    assert_eq!(binds("ControlPort 0\nControlSocket 0"), [""; 0]);
    let flags = "ControlSocket /d NoGroupWritable RelaxDirModeCheck\nControlSocketsGroupWritable 1\nControlPort unix:/c";
    let bind = |path: &str, group_writable, relax_dir_mode| Bind::Unix {
        path: path.into(),
        group_writable,
        world_writable: false,
        relax_dir_mode,
    };
    assert_eq!(control(flags).listeners, [bind("/c", true, false), bind("/d", false, true)]);
}

#[test]
fn what_is_no_place_is_refused_in_c_tors_words() {
    for (text, error) in [
        ("ControlPort x", "Invalid ControlPort configuration"),
        ("__ControlPort 1.2.3.4", "Invalid ControlPort configuration"),
        ("ControlPort 9051 GroupWritable", "Invalid ControlPort configuration"),
        ("ControlPort 9051 SessionGroup=1", "Invalid ControlPort configuration"),
        ("ControlPort 0\nControlPort 1", "Invalid ControlPort configuration"),
        ("ControlSocket unix:", "Invalid ControlSocket configuration"),
        (
            "ControlSocketsGroupWritable 1",
            "Setting ControlSocketsGroupWritable without setting a ControlSocket makes no sense.",
        ),
        ("HashedControlPassword 16:00", "Bad HashedControlPassword: wrong length or bad encoding"),
        ("HashedControlPassword secret", "Bad HashedControlPassword: wrong length or bad encoding"),
        (
            "__HashedControlSessionPassword x",
            "Bad HashedControlSessionPassword: wrong length or bad encoding",
        ),
    ] {
        assert_eq!(read(text).unwrap_err(), error, "{text}");
    }
}

#[test]
fn a_port_for_everybody_is_not_opened_without_a_password() {
    let (control, told) = read("ControlPort 0.0.0.0:9051\nControlPort 9052").unwrap();
    assert_eq!(control.listeners.len(), 1);
    assert!(told.iter().any(|line| line.contains("That port is not opened")), "{told:?}");
    assert!(told.iter().any(|line| line.contains("ControlPort is open to every program")), "{told:?}");
    for guard in [&format!("HashedControlPassword {HASH}"), "CookieAuthentication 1"] {
        let (control, told) = read(&format!("ControlPort 0.0.0.0:9051\n{guard}")).unwrap();
        assert_eq!(control.listeners.len(), 1);
        assert!(matches!(told.as_slice(), [line] if line.contains("open to other machines")), "{told:?}");
    }
    assert_eq!(read("ControlSocket /a").unwrap().1, [""; 0]);
    assert_eq!(read("ControlSocket /a WorldWritable").unwrap().1.len(), 1);
}

#[test]
fn passwords_and_the_cookie() {
    let base64 = "hyhgt2RTp31gyiu4wacEIHIJMnaj1wGtaEBT7Ew=";
    let both = control(&format!("HashedControlPassword {HASH}\n__HashedControlSessionPassword {base64}"));
    assert_eq!(both.passwords.iter().map(PasswordHash::as_str).collect::<Vec<_>>(), [HASH, base64]);
    assert!(!format!("{both:?}").contains("8728"));

    let cookie_file = |text| whole(text).unwrap().0.cookie_file();
    assert_eq!(cookie_file(""), Path::new("/home/a/.tor/control_auth_cookie"));
    assert_eq!(cookie_file("DataDirectory /d"), Path::new("/d/control_auth_cookie"));
    let own = control("CookieAuthentication 1\nCookieAuthFile ~/c\nCookieAuthFileGroupReadable 1");
    assert!(own.cookie && own.cookie_group_readable);
    assert_eq!(own.cookie_file.as_deref(), Some(Path::new("/home/a/c")));
    let (none, told) = read("CookieAuthFileGroupReadable 1").unwrap();
    assert!(!none.cookie_group_readable && told.len() == 1);
}

proptest! {
    #[test]
    fn no_line_panics(line in ".{0,40}", likely in "(unix:)?[0-9.:a-z\"/]{0,20}( (No)?(GroupWritable|World|SessionGroup=)){0,3}") {
        for line in [line, likely] {
            let _ = parse(&line, false, &mut Vec::new());
            let _ = parse_socket(&line, true, &mut Vec::new());
            let _ = PasswordHash::parse(&line);
        }
    }
}
