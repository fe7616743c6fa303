//! The verbs: every use case, one file per noun.
