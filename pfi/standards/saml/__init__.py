"""SAML 2.0 as the DMP uses it: the VIHF, the signed assertion that says who asks, for whom and from where."""
