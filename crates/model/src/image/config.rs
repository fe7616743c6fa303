//! An image's configuration as it is pushed: for which machine it is, and what its program is.
//!
//! OCI image specification 1.1, "Image Configuration"; Docker's is the same for what is read here.

use crate::image::ImageConfig;
use crate::image::platform::Platform;
use serde::Deserialize;

/// The largest configuration: its history has a line for each step of a Dockerfile, a few KiB in all.
pub const CONFIG_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// A configuration that no dyno can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// No JSON, or not of this form.
    #[error("the image's configuration cannot be read: {0}")]
    Unreadable(String),
    /// For another machine.
    #[error("the image is for {found}, and this server runs {here}: build it with `--platform {here}`")]
    OtherPlatform {
        /// Its own.
        found: Platform,
        /// The server's.
        here: Platform,
    },
    /// A NUL byte would cut a C string short.
    #[error("the image's {0} has a NUL byte in it")]
    Nul(&'static str),
}

#[derive(Deserialize)]
struct Sent {
    #[serde(flatten)]
    platform: Platform,
    config: Option<Program>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Program {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
}

/// Reads the configuration of an image that is to run on `here`.
///
/// # Errors
/// [`BadConfig`].
pub fn read(bytes: &[u8], here: &Platform) -> Result<ImageConfig, BadConfig> {
    let sent: Sent = serde_json::from_slice(bytes).map_err(|error| BadConfig::Unreadable(error.to_string()))?;
    if sent.platform != *here {
        return Err(BadConfig::OtherPlatform { found: sent.platform, here: here.clone() });
    }
    let program = sent.config.unwrap_or_default();
    let config = ImageConfig {
        entrypoint: program.entrypoint.unwrap_or_default(),
        cmd: program.cmd.unwrap_or_default(),
        env: program.env.unwrap_or_default(),
        working_dir: program.working_dir.unwrap_or_default(),
        user: program.user.unwrap_or_default(),
    };
    for (what, words) in [("ENTRYPOINT", &config.entrypoint), ("CMD", &config.cmd), ("ENV", &config.env)] {
        if words.iter().any(|word| word.contains('\0')) {
            return Err(BadConfig::Nul(what));
        }
    }
    if config.working_dir.contains('\0') {
        return Err(BadConfig::Nul("WORKDIR"));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Platform {
        Platform { os: "linux".into(), architecture: "amd64".into() }
    }

    #[test]
    fn what_an_image_says_of_its_program() {
        let json =
            br#"{"architecture":"amd64","os":"linux","variant":"v2","config":{"Entrypoint":["/e"],"Cmd":["a","b"],
            "Env":["PATH=/bin","A=1=2"],"WorkingDir":"/srv","User":"app:app","ExposedPorts":{"80/tcp":{}}},
            "rootfs":{"type":"layers","diff_ids":[]},"history":[]}"#;
        let config = read(json, &here()).expect("a configuration");
        assert_eq!((config.entrypoint.as_slice(), config.cmd.len()), (["/e".to_owned()].as_slice(), 2));
        assert_eq!((&*config.env[1], &*config.working_dir, &*config.user), ("A=1=2", "/srv", "app:app"));
        for nothing in [r#""config":null"#, r#""config":{}"#, r#""config":{"Cmd":null,"Entrypoint":null,"Env":null}"#] {
            let json = format!(r#"{{"architecture":"amd64","os":"linux",{nothing}}}"#);
            assert_eq!(read(json.as_bytes(), &here()), Ok(ImageConfig::default()), "{nothing}");
        }
    }

    #[test]
    fn an_image_for_another_machine_says_how_to_build_it() {
        let error = read(br#"{"architecture":"arm64","os":"linux"}"#, &here()).expect_err("another machine");
        assert!(error.to_string().contains("linux/arm64") && error.to_string().contains("--platform linux/amd64"));
        for bad in ["", "[]", r#"{"architecture":"amd64"}"#, r#"{"architecture":"amd64","os":"linux","config":7}"#] {
            assert!(read(bad.as_bytes(), &here()).is_err(), "{bad}");
        }
        let nul = br#"{"architecture":"amd64","os":"linux","config":{"Cmd":["a\u0000b"]}}"#;
        assert_eq!(read(nul, &here()), Err(BadConfig::Nul("CMD")));
    }
}
