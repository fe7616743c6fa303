//! The sample app that the demo pushes.

use std::io;
use std::path::Path;

/// Its files.
pub(crate) struct Sample {
    /// What it is, for the first line of the demo.
    pub(crate) what: &'static str,
    files: &'static [(&'static str, &'static str)],
}

const NODE: Sample = Sample {
    what: "a Node.js app",
    files: &[
        ("package.json", include_str!("../demo/node-hello/package.json")),
        ("index.js", include_str!("../demo/node-hello/index.js")),
        ("Procfile", include_str!("../demo/node-hello/Procfile")),
    ],
};

const STATIC: Sample = Sample {
    what: "a static site (there is no Node.js on this machine)",
    files: &[("index.html", include_str!("../demo/static-hello/index.html"))],
};

/// The one that this machine can build.
pub(crate) fn choose() -> Sample {
    let there = ["/usr/bin/node", "/usr/local/bin/node"].iter().any(|path| Path::new(path).exists());
    if there { NODE } else { STATIC }
}

impl Sample {
    /// Writes its files, but none that is there: the second run must not undo what the user changed.
    pub(crate) fn write(&self, into: &Path) -> io::Result<()> {
        std::fs::create_dir_all(into)?;
        for (name, text) in self.files {
            let path = into.join(name);
            if !path.exists() {
                std::fs::write(path, text)?;
            }
        }
        Ok(())
    }
}
