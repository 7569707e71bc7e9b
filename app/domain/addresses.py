"""Which addresses are the public internet's: where others may have us send something."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Addresses of IPv6 that are a way to one of IPv4, which is then what counts.
_NAT64 = ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether anybody on the internet could reach the same machine under this IP address.

    Not so for private networks, this machine, the link (cloud metadata among it), carrier NAT, groups, and whatever is reserved.

    Raises:
        ValueError: it is no IP address.
    """
    ip = ip_address(address)
    inner = _within(ip) if isinstance(ip, IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    is_site_local = isinstance(ip, IPv6Address) and ip.is_site_local
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or is_site_local)


def _within(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that it leads to: mapped, translated, or through a tunnel."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    teredo = ip.teredo
    return ip.ipv4_mapped or ip.sixtofour or (teredo[1] if teredo else None)
