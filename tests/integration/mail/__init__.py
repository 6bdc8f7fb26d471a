"""MSSanté through real mail servers, and the sandbox that stands in for them."""
