//! The system calls that a dyno may not use: a filter program for the kernel.
//!
//! Everything else is open: apps bring any language and library. What is refused needs capabilities that a dyno lacks
//! anyway, or is a large part of the kernel that no app needs; the filter is the second wall, not the first.

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// Numbers from here on are the x32 form of x86-64 calls, which would slip past a list of ordinary numbers.
const X32_FROM: u32 = 0x4000_0000;

/// Where the kernel puts things for the filter (`struct seccomp_data`); arguments are 64 bits, the low half first.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENT_0: u32 = 16;
const ARGUMENT_2: u32 = 32;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const NO_FAMILY: u32 = libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32;

/// Namespaces other than the dyno's own: they would bring capabilities back.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP) as u32
    | 0x80; // CLONE_NEWTIME, which shares its bit with no flag of clone

/// The socket families of apps: local, IPv4, IPv6. The kernel's list of interfaces is one more.
const FAMILIES: [i32; 3] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];

/// Refused with "operation not permitted".
const REFUSED: &[i64] = &[
    // the file tree
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init,
    // other namespaces
    libc::SYS_setns,
    // the kernel itself
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    // keyrings, which belong to the user id that all dynos share
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // an interface that bypasses this filter
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // names and clocks of the machine
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    // other processes' memory by another door than ptrace
    libc::SYS_kcmp,
    libc::SYS_process_madvise,
];

/// More of them, which only the older architecture has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// The program, for the architecture that this binary was built for.
pub(super) fn program() -> Vec<sock_filter> {
    // Another architecture's calls (32-bit programs) have other numbers: none is known to be harmless.
    let mut program = vec![load(ARCH), jump(BPF_JEQ, ARCHITECTURE, 1, 0), answer(UNKNOWN), load(NUMBER)];
    program.extend([jump(BPF_JGE, X32_FROM, 0, 1), answer(UNKNOWN)]);
    // Its flags are in memory, where a filter cannot look; without it libraries use clone.
    program.extend([jump(BPF_JEQ, number(libc::SYS_clone3), 0, 1), answer(UNKNOWN)]);
    for call in REFUSED.iter().chain(REFUSED_HERE) {
        program.extend([jump(BPF_JEQ, number(*call), 0, 1), answer(REFUSE)]);
    }
    for call in [libc::SYS_clone, libc::SYS_unshare] {
        let flags = if call == libc::SYS_clone { NAMESPACES & !0x80 } else { NAMESPACES };
        program.extend([
            jump(BPF_JEQ, number(call), 0, 4),
            load(ARGUMENT_0),
            jump(BPF_JSET, flags, 0, 1),
            answer(REFUSE),
            answer(ALLOW),
        ]);
    }
    program.extend(families());
    program.push(answer(ALLOW));
    program
}

/// `socket` and `socketpair` of the families that apps use; of the kernel's own, only what tells of interfaces and routes:
/// others list every connection of the machine.
fn families() -> Vec<sock_filter> {
    let known = FAMILIES.len() as u8;
    let mut program = Vec::new();
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        program.extend([jump(BPF_JEQ, number(call), 0, known + 7), load(ARGUMENT_0)]);
        program.push(jump(BPF_JEQ, libc::AF_NETLINK as u32, known + 1, 0));
        for (place, family) in (0_u8..).zip(FAMILIES) {
            program.push(jump(BPF_JEQ, family as u32, known - place + 3, 0));
        }
        program.push(answer(NO_FAMILY));
        program.extend([
            load(ARGUMENT_2),
            jump(BPF_JEQ, libc::NETLINK_ROUTE as u32, 1, 0),
            answer(NO_FAMILY),
            answer(ALLOW),
        ]);
    }
    program
}

fn number(call: i64) -> u32 {
    // System call numbers are small and positive.
    u32::try_from(call).unwrap_or(u32::MAX)
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn jump(test: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | test | BPF_K) as u16, jt: if_true, jf: if_false, k: value }
}

fn answer(action: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: action }
}
