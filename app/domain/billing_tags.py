"""What we write into the metadata of a provider's objects, so that they are known again when they come back.

One account can serve several deployments: an object with the tag of a tenant that we do not have is another's.
"""

TENANT = "meterline_tenant"
"""The tenant's public id, `test_…` or `live_…`."""
USER = "meterline_user"
"""Who is to have what is bought: the user's id when the link was made."""
PACKAGE = "meterline_package"
"""The id of the package that the link was for."""
TEMPLATE = "meterline_template"
"""The id of the billing template."""
LINK = "meterline_link"
"""The id of the link: our row, whatever has been renamed since."""
