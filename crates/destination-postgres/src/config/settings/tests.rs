use super::*;
use commutator_core::Secret;

fn none(_: &str) -> Option<String> {
    None
}

fn mode(config: &Config, env: impl Fn(&str) -> Option<String>) -> (SslMode, Option<Roots>) {
    let settings = Settings::resolve(config, env).unwrap();
    (settings.sslmode, settings.roots)
}

#[test]
fn fields_win_over_the_url_and_the_url_over_the_environment() {
    let config = Config {
        url: Some(Secret::new("postgres://a:sesame-1@h1/d1".to_owned())),
        password: Some(Secret::new("sesame-2".to_owned())),
        ..Config::default()
    };
    let env = |name: &str| match name {
        "PGHOST" => Some("elsewhere".to_owned()),
        "PGPORT" => Some("6000".to_owned()),
        "PGDATABASE" => Some("other".to_owned()),
        _ => None,
    };
    let settings = Settings::resolve(&config, env).unwrap();
    assert_eq!(settings.server.get_password(), Some(b"sesame-2".as_slice()));
    assert_eq!(settings.server.get_ports(), [6000]);
    assert_eq!(settings.display, "a@h1:6000/d1");
    let shown = format!("{settings:?} {config:?}");
    assert!(!shown.contains("sesame"), "{shown}");
}

#[test]
fn defaults_are_those_of_libpq() {
    let settings = Settings::resolve(&Config::default(), none).unwrap();
    assert_eq!(settings.display, "localhost:5432/");
    assert_eq!((settings.sslmode, settings.roots), (SslMode::Prefer, None));
    assert_eq!(settings.server.get_application_name(), Some("commutator"));
}

#[test]
fn a_password_file_is_asked_if_there_is_no_password() {
    let mut settings = Settings::resolve(&Config::from_url("postgres://me@h/d"), none).unwrap();
    settings.take_password("h:5432:d:me:sesame");
    assert_eq!(settings.server.get_password(), Some(b"sesame".as_slice()));
    let env = |name: &str| (name == "PGPASSFILE").then(|| "/nowhere".to_owned());
    assert!(Settings::resolve(&Config::from_url("postgres://me@h/d"), env).unwrap().passfile.is_some());
    assert!(Settings::resolve(&Config::from_url("postgres://me:x@h/d"), env).unwrap().passfile.is_none());
}

#[test]
fn a_root_certificate_makes_every_mode_verify() {
    let with = |url: &str| mode(&Config::from_url(url), none);
    let file = |name: &str| Some(Roots::File(name.into()));
    assert_eq!(with("postgres://h/?sslmode=require"), (SslMode::Require, None));
    assert_eq!(with("postgres://h/?sslmode=require&sslrootcert=/ca"), (SslMode::Require, file("/ca")));
    assert_eq!(with("postgres://h/?sslmode=verify-full"), (SslMode::VerifyFull, Some(Roots::System)));
    assert_eq!(with("postgres://h/?sslrootcert=system"), (SslMode::VerifyFull, Some(Roots::System)));
    assert_eq!(with("postgres://h/?sslmode=disable&sslrootcert=/ca"), (SslMode::Disable, None));
    let weak = Settings::resolve(&Config::from_url("postgres://h/?sslmode=require&sslrootcert=system"), none);
    assert_eq!(weak.unwrap_err().kind(), ErrorKind::ConfigInvalid);
}

#[test]
fn wrong_settings_are_named() {
    for (url, part) in [
        ("postgres://h/?sslmode=full", "sslmode"),
        ("postgres://h:port/", "port"),
        ("postgres://h/?colour=red", "colour"),
        ("postgres://h/?sslcert=/c", "sslkey"),
    ] {
        let error = Settings::resolve(&Config::from_url(url), none).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{url}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let url = "postgres://me:hunter2@h/d";
    let field = Config { password: Some(Secret::new("hunter2".to_owned())), ..Config::default() };
    let env = |name: &str| (name == "PGPASSWORD").then(|| "hunter2".to_owned());
    for (config, env) in
        [(Config::from_url(url), &none as &dyn Fn(&str) -> _), (field, &none), (Config::default(), &env)]
    {
        let settings = Settings::resolve(&config, env).unwrap();
        assert_eq!(settings.server.get_password(), Some(&b"hunter2"[..]));
        let shown = format!("{config:?} {settings:?} {} {}", settings.display, serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
