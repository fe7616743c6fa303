//! The embedded packs are part of this crate: a new file among them builds it again.

fn main() {
    println!("cargo:rerun-if-changed=../../buildpacks");
}
