//! Why the router itself answers a request: the H codes (section 9.7 of the behaviour rules).

/// What kept a request from being answered by its app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// H10
    AppCrashed,
    /// H11
    BacklogTooDeep,
    /// H12
    RequestTimeout,
    /// H13
    ClosedWithoutResponse,
    /// H14
    NoWebProcesses,
    /// H15
    IdleConnection,
    /// H17
    PoorlyFormattedResponse,
    /// H18
    ServerInterrupted,
    /// H19
    ConnectTimeout,
    /// H20
    BootTimeout,
    /// H21
    ConnectRefused,
    /// H25: the response breaks a limit or a rule; why.
    ResponseRestriction(&'static str),
    /// H26 with 400: the request breaks a rule; why.
    BadRequest(&'static str),
    /// H26 with 417.
    UnsupportedExpect,
    /// H27
    ClientInterrupted,
    /// H28
    ClientIdle,
    /// H34
    AllQuarantined,
    /// H80
    Maintenance,
    /// H81
    BlankApp,
}

impl Failure {
    /// `H12`
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::AppCrashed => "H10",
            Self::BacklogTooDeep => "H11",
            Self::RequestTimeout => "H12",
            Self::ClosedWithoutResponse => "H13",
            Self::NoWebProcesses => "H14",
            Self::IdleConnection => "H15",
            Self::PoorlyFormattedResponse => "H17",
            Self::ServerInterrupted => "H18",
            Self::ConnectTimeout => "H19",
            Self::BootTimeout => "H20",
            Self::ConnectRefused => "H21",
            Self::ResponseRestriction(_) => "H25",
            Self::BadRequest(_) | Self::UnsupportedExpect => "H26",
            Self::ClientInterrupted => "H27",
            Self::ClientIdle => "H28",
            Self::AllQuarantined => "H34",
            Self::Maintenance => "H80",
            Self::BlankApp => "H81",
        }
    }

    /// The words beside the code.
    pub(crate) fn desc(self) -> &'static str {
        match self {
            Self::AppCrashed => "App crashed",
            Self::BacklogTooDeep => "Backlog too deep",
            Self::RequestTimeout => "Request timeout",
            Self::ClosedWithoutResponse => "Connection closed without response",
            Self::NoWebProcesses => "No web processes running",
            Self::IdleConnection => "Idle connection",
            Self::PoorlyFormattedResponse => "Poorly formatted HTTP response",
            Self::ServerInterrupted => "Server Request Interrupted",
            Self::ConnectTimeout => "Backend connection timeout",
            Self::BootTimeout => "App boot timeout",
            Self::ConnectRefused => "Backend connection refused",
            Self::ResponseRestriction(cause) => cause,
            Self::BadRequest(_) | Self::UnsupportedExpect => "Request Error",
            Self::ClientInterrupted => "Client Request Interrupted",
            Self::ClientIdle => "Client Connection Idle",
            Self::AllQuarantined => "All up dynos are quarantined",
            Self::Maintenance => "Maintenance mode",
            Self::BlankApp => "Blank app",
        }
    }

    /// What the request broke, where the log line says it.
    pub(crate) fn cause(self) -> Option<&'static str> {
        match self {
            Self::BadRequest(cause) => Some(cause),
            Self::UnsupportedExpect => Some("unsupported expect header value"),
            _ => None,
        }
    }

    /// The status that the client gets, or that stands in the log where it got another or none.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::UnsupportedExpect => 417,
            Self::ClientInterrupted | Self::ClientIdle => 499,
            Self::ResponseRestriction(_) | Self::BlankApp => 502,
            _ => 503,
        }
    }

    /// How bad it is: `at=` of the log line (ROUTE-51).
    pub(crate) fn at(self) -> &'static str {
        match self {
            Self::ClientInterrupted | Self::ClientIdle => "warning",
            Self::Maintenance | Self::BlankApp => "info",
            _ => "error",
        }
    }

    /// Whose socket broke, where one did (ROUTE-51).
    pub(crate) fn sock(self) -> Option<&'static str> {
        match self {
            Self::ClientInterrupted | Self::ClientIdle => Some("client"),
            Self::ServerInterrupted => Some("backend"),
            _ => None,
        }
    }
}
