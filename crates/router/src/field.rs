//! A header line of a message: where it stands, and what the router does with it.

/// A piece of a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    length: u32,
}

/// A header line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) kind: Kind,
    pub(crate) name: Span,
    /// Without the space around it.
    pub(crate) value: Span,
}

/// What a header is to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Expect,
    Upgrade,
    Via,
    Cookie,
    RequestId,
    ForwardedFor,
    Server,
    Date,
    SetCookie,
    /// Concerns one connection only (ROUTE-36).
    Hop,
    /// Set by the router, whatever a client says.
    Ours,
    /// Passed on as it is.
    Other,
}

impl Span {
    /// Heads are shorter than 4 GB; a longer one would be empty here.
    pub(crate) fn new(start: usize, length: usize) -> Self {
        match (u32::try_from(start), u32::try_from(length)) {
            (Ok(start), Ok(length)) => Self { start, length },
            (_, _) => Self::default(),
        }
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        bytes.get(start..start + self.length as usize).unwrap_or_default()
    }
}

/// What a header of this name is.
pub(crate) fn kind(name: &[u8]) -> Kind {
    let candidates: &[(&[u8], Kind)] = match name.len() {
        2 => &[(b"te", Kind::Hop)],
        3 => &[(b"via", Kind::Via)],
        4 => &[(b"host", Kind::Host), (b"date", Kind::Date)],
        6 => &[(b"cookie", Kind::Cookie), (b"expect", Kind::Expect), (b"server", Kind::Server)],
        7 => &[(b"upgrade", Kind::Upgrade), (b"trailer", Kind::Hop)],
        10 => &[(b"connection", Kind::Connection), (b"keep-alive", Kind::Hop), (b"set-cookie", Kind::SetCookie)],
        12 => &[(b"x-request-id", Kind::RequestId)],
        14 => &[(b"content-length", Kind::ContentLength), (b"http2-settings", Kind::Hop)],
        15 => &[(b"x-forwarded-for", Kind::ForwardedFor), (b"x-request-start", Kind::Ours)],
        16 => &[(b"x-forwarded-port", Kind::Ours), (b"proxy-connection", Kind::Hop)],
        17 => &[(b"transfer-encoding", Kind::TransferEncoding), (b"x-forwarded-proto", Kind::Ours)],
        _ => &[],
    };
    let known = candidates.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map_or(Kind::Other, |(_, kind)| *kind)
}

/// By byte: may it stand in a name or a method (RFC 9110 5.6.2)?
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let char = byte as u8;
        table[byte] = char.is_ascii_alphanumeric()
            || matches!(
                char,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
        byte += 1;
    }
    table
};

pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| TOKEN[usize::from(*byte)])
}

/// No control characters: neither a bare CR nor a zero byte (RFC 9110 5.5).
pub(crate) fn is_value(value: &[u8]) -> bool {
    // Without a branch per byte, so that the compiler takes many at once.
    value.iter().fold(true, |good, byte| good & ((*byte >= b' ') | (*byte == b'\t')) & (*byte != 0x7f))
}

/// Without the space around it.
pub(crate) fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
