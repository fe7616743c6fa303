//! Who a change is of: the people behind a release. A gate that asks for somebody else asks here (two people).

use crate::account::Account;
use crate::commit::Commit;
use crate::id::AccountId;

/// The people behind a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authors {
    /// Who made the release: pushed, promoted, rolled back, changed the config.
    pub released_by: AccountId,
    /// Who had its code built: the same for a push, somebody else perhaps for a promotion or a rollback.
    pub built_by: Option<AccountId>,
    /// What its commit says of itself, where a push brought it.
    pub commit: Option<Commit>,
}

impl Authors {
    /// Is this one of them? Whoever wrote the commit, had it built, or made the release. The commit's address is not proven, so
    /// it can only make somebody an author who is none; never the other way round.
    #[must_use]
    pub fn include(&self, account: &Account) -> bool {
        self.are(account.id, &account.email)
    }

    /// The same of an account that is known by its id and its e-mail address then.
    #[must_use]
    pub fn are(&self, account: AccountId, email: &str) -> bool {
        self.released_by == account || self.built_by == Some(account) || self.wrote(email)
    }

    /// The same before the release is made: whoever promotes is not an author for it, whoever wrote or built it is.
    #[must_use]
    pub fn of_code(&self, account: &Account) -> bool {
        self.built_by == Some(account.id) || self.wrote(&account.email)
    }

    fn wrote(&self, email: &str) -> bool {
        self.commit.as_ref().is_some_and(|commit| commit.email.eq_ignore_ascii_case(email))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use uuid::Uuid;

    fn account(n: u128, email: &str) -> Account {
        Account::new(AccountId(Uuid::from_u128(n)), email.into(), Timestamp(0))
    }

    #[test]
    fn two_people_author_pusher_and_promoter_are_told_apart() {
        let (ada, bob, cleo, dan) =
            (account(1, "ada@example.org"), account(2, "bob@x"), account(3, "cleo@x"), account(4, "dan@x"));
        let (at, author, subject) = (Timestamp(0), "Ada".to_owned(), "Basket".to_owned());
        let commit = Some(Commit { at, author, email: "Ada@Example.org".into(), subject });
        let authors = Authors { released_by: cleo.id, built_by: Some(bob.id), commit };
        assert_eq!([&ada, &bob, &cleo, &dan].map(|who| authors.include(who)), [true, true, true, false]);
        assert_eq!([&ada, &bob, &cleo, &dan].map(|who| authors.of_code(who)), [true, true, false, false]);
        let config = Authors { released_by: bob.id, built_by: None, commit: None };
        assert_eq!([&ada, &bob].map(|who| config.include(who)), [false, true]);
    }
}
