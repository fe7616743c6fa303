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
    /// H22
    ConnectionLimit,
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
    /// The app was removed while the request waited: 404, and no log to write to.
    AppGone,
}

/// Whose business a failure is: each kind has its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The app's.
    Application,
    /// The owner wants it so.
    Maintenance,
    /// There is no code yet.
    Blank,
    /// There is no app.
    NoApp,
    /// The client broke a rule.
    Request,
}

/// How bad a failure is: `at=` of the log line (ROUTE-51).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grade {
    /// Something is wrong with the app.
    Error,
    /// The client did not want any more.
    Warning,
    /// As somebody wanted it.
    Info,
}

impl Grade {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// What the log line and the page say of a failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// `H12`
    pub(crate) code: &'static str,
    /// The words beside the code.
    pub(crate) desc: &'static str,
    pub(crate) grade: Grade,
    /// What the client gets, or what stands in the log where it got another status or none.
    pub(crate) status: u16,
    /// Whose socket broke, where one did.
    pub(crate) sock: Option<&'static str>,
    /// What the request broke, where the log line says it.
    pub(crate) cause: Option<&'static str>,
}

impl Failure {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Maintenance => Kind::Maintenance,
            Self::BlankApp => Kind::Blank,
            Self::AppGone => Kind::NoApp,
            Self::BadRequest(_) | Self::UnsupportedExpect => Kind::Request,
            Self::AppCrashed
            | Self::BacklogTooDeep
            | Self::RequestTimeout
            | Self::ClosedWithoutResponse
            | Self::NoWebProcesses
            | Self::IdleConnection
            | Self::PoorlyFormattedResponse
            | Self::ServerInterrupted
            | Self::ConnectTimeout
            | Self::BootTimeout
            | Self::ConnectRefused
            | Self::ConnectionLimit
            | Self::ResponseRestriction(_)
            | Self::ClientInterrupted
            | Self::ClientIdle
            | Self::AllQuarantined => Kind::Application,
        }
    }

    /// Section 9.7 of the behaviour rules.
    pub(crate) fn facts(self) -> Facts {
        match self {
            Self::AppCrashed => error("H10", "App crashed"),
            Self::BacklogTooDeep => error("H11", "Backlog too deep"),
            Self::RequestTimeout => error("H12", "Request timeout"),
            Self::ClosedWithoutResponse => error("H13", "Connection closed without response"),
            Self::NoWebProcesses => error("H14", "No web processes running"),
            Self::IdleConnection => error("H15", "Idle connection"),
            Self::PoorlyFormattedResponse => error("H17", "Poorly formatted HTTP response"),
            Self::ServerInterrupted => Facts { sock: Some("backend"), ..error("H18", "Server Request Interrupted") },
            Self::ConnectTimeout => error("H19", "Backend connection timeout"),
            Self::BootTimeout => error("H20", "App boot timeout"),
            Self::ConnectRefused => error("H21", "Backend connection refused"),
            Self::ConnectionLimit => error("H22", "Connection limit reached"),
            Self::ResponseRestriction(what) => Facts { status: 502, ..error("H25", what) },
            Self::BadRequest(cause) => Facts { status: 400, cause: Some(cause), ..error("H26", "Request Error") },
            Self::UnsupportedExpect => {
                let cause = Some("unsupported expect header value");
                Facts { status: 417, cause, ..error("H26", "Request Error") }
            }
            Self::ClientInterrupted => client("H27", "Client Request Interrupted"),
            Self::ClientIdle => client("H28", "Client Connection Idle"),
            Self::AllQuarantined => error("H34", "All up dynos are quarantined"),
            Self::Maintenance => Facts { grade: Grade::Info, ..error("H80", "Maintenance mode") },
            Self::AppGone => Facts { grade: Grade::Info, status: 404, ..error("", "No such app") },
            Self::BlankApp => Facts { grade: Grade::Info, status: 502, ..error("H81", "Blank app") },
        }
    }
}

fn error(code: &'static str, desc: &'static str) -> Facts {
    Facts { code, desc, grade: Grade::Error, status: 503, sock: None, cause: None }
}

fn client(code: &'static str, desc: &'static str) -> Facts {
    Facts { grade: Grade::Warning, status: 499, sock: Some("client"), ..error(code, desc) }
}
