//! GETINFO keys about directory documents and the countries of addresses.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Mutex;
use tor_config::Config;
use tor_ctrl::{InfoAnswer, InfoError};
use tor_dir::{
    geoip::{self, GeoIp},
    info::KeyError,
};
use tor_net::Documents;
use tracing::{info, warn};

/// The answer of the documents.
pub(crate) async fn of_documents(documents: &Documents, key: &str) -> InfoAnswer {
    documents.info(key).await.map_err(|error| match error {
        KeyError::Unknown(text) => InfoError::unknown(text),
        KeyError::Unavailable(text) => InfoError::unavailable(text),
    })
}

/// The files that say which country an address is in. They are read when they are first asked for: few clients ever
/// ask, and they are some megabytes.
#[derive(Debug, Default)]
pub(crate) struct Countries {
    v4: File,
    v6: File,
}

/// A file, and what came of reading it.
#[derive(Debug, Default)]
struct File(Mutex<Option<(PathBuf, Option<Arc<GeoIp>>)>>);

impl Countries {
    /// Answers `ip-to-country/*`.
    pub(crate) async fn answer(&self, config: &Config, key: &str) -> InfoAnswer {
        let Some(question) = key.strip_prefix("ip-to-country/") else { return Ok(None) };
        let available = |table: Option<_>| Ok(Some(u8::from(table.is_some()).to_string()));
        match question {
            "ipv4-available" => return available(self.v4(config).await),
            "ipv6-available" => return available(self.v6(config).await),
            _ => {}
        }
        let address =
            geoip::parse_address(question).ok_or_else(|| InfoError::unavailable("Invalid address family"))?;
        let country = self.country(config, address).await;
        country.map(Some).ok_or_else(|| InfoError::unavailable("GeoIP data not loaded"))
    }

    /// The country of an address, `??` if the file does not say; `None` if there is no such file.
    pub(crate) async fn country(&self, config: &Config, address: IpAddr) -> Option<String> {
        let table = match address {
            IpAddr::V4(_) => self.v4(config).await,
            IpAddr::V6(_) => self.v6(config).await,
        };
        Some(table?.country(address))
    }

    async fn v4(&self, config: &Config) -> Option<Arc<GeoIp>> {
        self.v4.table(config.directory.geoip.as_deref(), GeoIp::parse_v4).await
    }

    async fn v6(&self, config: &Config) -> Option<Arc<GeoIp>> {
        self.v6.table(config.directory.geoip6.as_deref(), GeoIp::parse_v6).await
    }
}

impl File {
    /// What the file says; it is read if it is another one than the last.
    async fn table(&self, path: Option<&Path>, parse: fn(&str) -> GeoIp) -> Option<Arc<GeoIp>> {
        let path = path?;
        let mut held = self.0.lock().await;
        if let Some((of, table)) = &*held
            && of == path
        {
            return table.clone();
        }
        let place = path.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            std::fs::read(&place).map(|content| Arc::new(parse(&String::from_utf8_lossy(&content))))
        });
        let table = match read.await.map_err(std::io::Error::other).flatten() {
            Ok(table) => {
                info!("Parsed GEOIP file {}.", path.display());
                Some(table)
            }
            Err(error) => {
                warn!("Failed to open GEOIP file {}: {error}.", path.display());
                None
            }
        };
        *held = Some((path.to_owned(), table.clone()));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn countries_come_from_the_files_of_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("geoip");
        std::fs::write(&path, "16777216,16777471,AU\n").unwrap();
        let mut config = Config::default();
        (config.directory.geoip, config.directory.geoip6) =
            (Some(path.clone()), Some(dir.path().join("none")));
        let countries = Countries::default();
        let unavailable = |text: &str| Err(InfoError::unavailable(text));
        for (key, answer) in [
            ("ip-to-country/ipv4-available", Ok(Some("1".to_owned()))),
            ("ip-to-country/ipv6-available", Ok(Some("0".to_owned()))),
            ("ip-to-country/1.0.0.7", Ok(Some("au".to_owned()))),
            ("ip-to-country/127.0.0.1", Ok(Some("??".to_owned()))),
            ("ip-to-country/[::1]", unavailable("GeoIP data not loaded")),
            ("ip-to-country/host", unavailable("Invalid address family")),
            ("ip-to-country/", unavailable("Invalid address family")),
            ("ip-to-country", Ok(None)),
        ] {
            assert_eq!(countries.answer(&config, key).await, answer, "{key}");
        }
        // Read once, and not again for each question.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(countries.country(&config, "1.0.0.7".parse().unwrap()).await.as_deref(), Some("au"));
        config.directory.geoip = None;
        assert_eq!(countries.country(&config, "1.0.0.7".parse().unwrap()).await, None);
    }
}
