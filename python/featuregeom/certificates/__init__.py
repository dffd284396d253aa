"""Certificates: what has to be kept so that anyone can check a scheme again, from the features alone."""

from featuregeom.certificates.verification import Finding, Verification, verify
from featuregeom.certificates.write import FORMAT, certify, load_certificate, save_certificate

__all__ = ["FORMAT", "Finding", "Verification", "certify", "load_certificate", "save_certificate", "verify"]
