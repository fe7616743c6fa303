//! What dynos of images run.

use super::*;
use crate::image::Digest;

const BOTH: Files = Files { shell: true, bash: true, passwd: String::new() };
const SH: Files = Files { shell: true, bash: false, passwd: String::new() };
const NONE: Files = Files { shell: false, bash: false, passwd: String::new() };

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn config(entrypoint: &[&str], cmd: &[&str]) -> ImageConfig {
    ImageConfig { entrypoint: texts(entrypoint), cmd: texts(cmd), ..ImageConfig::default() }
}

#[test]
fn an_entrypoint_runs_as_it_is_and_a_cmd_by_the_shell_so_that_the_port_is_known() {
    for (entrypoint, cmd, files, want) in [
        (&["/e", "$X"][..], &["a b"][..], BOTH, &["/e", "$X", "a b"][..]),
        (&["/e"], &[], NONE, &["/e"]),
        (&[], &["/bin/sh", "-c", "serve $PORT"], BOTH, &["/bin/sh", "-c", "serve $PORT"]),
        (&[], &["serve", "-p", "$PORT"], SH, &["/bin/sh", "-c", r#"exec "serve" "-p" "$PORT""#]),
        (&[], &["a", "it's \"x\" `id` \\n"], SH, &["/bin/sh", "-c", r#"exec "a" "it's \"x\" \`id\` \\n""#]),
        (&[], &["serve", "-p", "$PORT"], NONE, &["serve", "-p", "$PORT"]),
        (&[], &[], BOTH, &[]),
    ] {
        assert_eq!(argv(&config(entrypoint, cmd), Wish::Own, &files), texts(want), "{cmd:?}");
    }
}

#[test]
fn another_command_goes_past_the_entrypoint() {
    let image = config(&["/e"], &["a"]);
    for (command, files, want) in [
        ("ls -l | wc", SH, &["/bin/sh", "-c", "ls -l | wc"][..]),
        ("bash", BOTH, &["/bin/sh", "-c", "bash"]),
        ("bash", SH, &["/bin/sh", "-c", "sh"]),
        ("bash", NONE, &["bash"]),
        (r#"/tool  'a b' "c \" d" e\ f '' x"y"z"#, NONE, &["/tool", "a b", "c \" d", "e f", "", "xyz"]),
        ("/tool '$HOME' \"open", NONE, &["/tool", "$HOME", "open"]),
    ] {
        assert_eq!(argv(&image, Wish::Command(command), &files), texts(want), "{command}");
    }
}

#[test]
fn what_people_see_of_it() {
    assert_eq!(shown(&config(&[], &["/bin/sh", "-c", "serve $PORT"])), "serve $PORT");
    assert_eq!(shown(&config(&["/e"], &["a b", ""])), r#"/e "a b" """#);
    assert_eq!(shown(&config(&[], &[])), "");
}

#[test]
fn the_images_environment() {
    let image = ImageConfig { env: texts(&["A=1=2", "B=", "nonsense", "=x", "PATH=/bin"]), ..config(&[], &[]) };
    let env = environment(&image, &BOTH);
    let want = [("A", "1=2"), ("B", ""), ("HOME", "/"), ("PATH", "/bin")];
    assert_eq!(env, want.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(environment(&config(&[], &[]), &BOTH)["PATH"], PATH);
}

#[test]
fn home_is_where_the_images_user_lives() {
    let passwd =
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/srv/app:/bin/sh\nodd:x:5:5::relative:/bin/sh\nshort:x\n";
    for (user, want) in [
        ("", "/root"),
        ("root", "/root"),
        ("app", "/srv/app"),
        ("app:staff", "/srv/app"),
        ("1000:1000", "/srv/app"),
        ("odd", "/"),
        ("short", "/"),
        ("nobody", "/"),
    ] {
        let image = ImageConfig { user: user.to_owned(), ..ImageConfig::default() };
        let files = Files { passwd: passwd.to_owned(), ..BOTH };
        assert_eq!(environment(&image, &files)["HOME"], want, "{user}");
    }
    let image = ImageConfig { env: texts(&["HOME=/mine"]), ..ImageConfig::default() };
    assert_eq!(environment(&image, &BOTH)["HOME"], "/mine");
}

#[test]
fn a_working_folder_is_absolute_and_climbs_nowhere() {
    for (said, want) in [("", "/"), ("/srv", "/srv"), ("srv/app/", "/srv/app"), ("/a/../../b/./c//", "/b/c")] {
        let image = ImageConfig { working_dir: said.to_owned(), ..ImageConfig::default() };
        assert_eq!(working_dir(&image), want, "{said}");
    }
}

#[test]
fn dyno_51_which_image_a_dyno_has() {
    let image = |of: u8| {
        let id = Digest::of_hash(&[of; 32]);
        Image { manifest: id.clone(), id, layers: Vec::new(), config: ImageConfig::default(), size_bytes: 0 }
    };
    let named = |name: &str| name.parse::<ProcessType>().expect("a process type");
    let images: Images = [("api", 1), ("web", 2), ("worker", 3)].map(|(name, of)| (named(name), image(of))).into();
    let of = |images: &Images, process_type: &str, command: Option<&str>| {
        choose(images, &named(process_type), command).map(|(image, wish)| (image.id.clone(), wish == Wish::Own))
    };
    for (process_type, command, want) in [
        ("worker", None, Some((3, true))),
        ("clock", None, None),
        ("run", Some("ls -l"), Some((2, false))),
        ("run", Some("worker"), Some((3, true))),
        ("worker", Some("ls"), Some((3, false))),
    ] {
        let want = want.map(|(of, own)| (image(of).id, own));
        assert_eq!(of(&images, process_type, command), want, "{process_type} {command:?}");
    }
    let without_web: Images = images.into_iter().filter(|(name, _)| !name.is_web()).collect();
    assert_eq!(of(&without_web, "run", Some("ls")), Some((image(1).id, false)));
    assert_eq!(of(&Images::new(), "run", Some("ls")), None);
}
