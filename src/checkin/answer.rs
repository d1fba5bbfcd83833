//! Answers that Apple's documentation describes and its schema does not.

use crate::secret::Secret;

record! {
    /// The answer to the first `UserAuthenticate`: an empty challenge says that no token is needed.
    /// <https://developer.apple.com/documentation/devicemanagement/user-authenticate>
    pub struct UserAuthenticateChallenge = "" [] {
        digest_challenge: Option<String> = "DigestChallenge" REQUIRED [],
    }

    /// The answer to the second `UserAuthenticate`: an empty token says that the password was wrong.
    /// <https://developer.apple.com/documentation/devicemanagement/user-authenticate>
    pub struct UserAuthenticateToken = "" [] {
        auth_token: Option<Secret> as String = "AuthToken" REQUIRED [],
    }
}
