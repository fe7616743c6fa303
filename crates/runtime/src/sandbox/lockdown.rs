//! Giving up rights: identity, capabilities, limits, system calls.

use super::User;
use super::fault::{Fault, Step};
use crate::spec::{DYNO_GID, DYNO_UID};
use crate::sys;
use model::dyno::{Limits, Slice};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};
use std::fs;

/// A dyno ends with its keeper, whatever ends the keeper.
pub(super) fn die_with_keeper() -> Result<(), Fault> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("binding the dyno to its keeper")
}

/// In a fresh user namespace: the dyno identity is the ordinary user that we are outside, and nobody else exists.
pub(super) fn map_identity(user: User) -> Result<(), Fault> {
    let write = |file: &str, text: String| {
        fs::write(format!("/proc/self/{file}"), text).step(format_args!("writing /proc/self/{file}"))
    };
    // The kernel wants this before an unprivileged process may map a group.
    write("setgroups", "deny".to_owned())?;
    write("gid_map", format!("{DYNO_GID} {} 1\n", user.gid))?;
    write("uid_map", format!("{DYNO_UID} {} 1\n", user.uid))
}

/// When memory is short, builds go before dynos, and dynos before the platform.
pub(super) fn offer_to_oom_killer(slice: Slice) {
    let score = match slice {
        Slice::Apps => "500",
        Slice::Builds => "700",
    };
    let _kept_as_it_was = fs::write("/proc/self/oom_score_adj", score);
}

/// Per-process limits, never above what the machine allows at all.
pub(super) fn limit(limits: &Limits, in_user_namespace: bool) -> Result<(), Fault> {
    let set = |what, resource, value: u64| {
        let value = rustix::process::getrlimit(resource).maximum.map_or(value, |most| most.min(value));
        let both = Rlimit { current: Some(value), maximum: Some(value) };
        rustix::process::setrlimit(resource, both).step(format_args!("limiting {what}"))
    };
    set("open files", Resource::Nofile, limits.open_files)?;
    // What is written is measured from time to time; one file at least cannot outgrow all of it in between.
    set("the size of files", Resource::Fsize, limits.disk_bytes)?;
    // With 0 the kernel still hands a core, and all secrets in it, to a crash collector of the host; with 1 it does not.
    set("core files", Resource::Core, 1)?;
    if in_user_namespace {
        // Counted per user namespace, so it holds without a cgroup; as root all dynos would share one count.
        set("processes", Resource::Nproc, u64::from(limits.processes) + 1)?;
    }
    Ok(())
}

/// What is not in the bounding set cannot be had back. What this process has now it keeps until [`drop_rights`].
pub(super) fn empty_bounding_set() -> Result<(), Fault> {
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // Past the last capability that this kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            done => done.step("emptying the bounding set")?,
        }
    }
    Ok(())
}

/// No capability, no way to get one back, no identity but the dyno's.
pub(super) fn drop_rights(in_user_namespace: bool) -> Result<(), Fault> {
    if !in_user_namespace {
        let (uid, gid) = (Uid::from_raw(DYNO_UID), Gid::from_raw(DYNO_GID));
        rustix::thread::set_thread_groups(&[]).step("leaving all groups")?;
        rustix::thread::set_thread_res_gid(gid, gid, gid).step("changing the group")?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).step("changing the user")?;
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).step("dropping capabilities")?;
    rustix::thread::set_no_new_privs(true).step("setting no_new_privs")?;
    // The payload has this identity too, but must not read or steer its init, whose memory came from the keeper.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).step("closing /proc/1")
}

/// Refuses the system calls that no app needs.
pub(super) fn filter(program: &[libc::sock_filter]) -> Result<(), Fault> {
    sys::confine_to_own_sockets().step("setting landlock scopes")?;
    sys::filter_system_calls(program).step("filtering system calls")
}
