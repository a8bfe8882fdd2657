"""RELAX NG schemas for RSS 2.0 and for XML exports."""

from __future__ import annotations

from lxml import etree

_DATE = (
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} "
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)

RSS = f"""
<grammar xmlns="http://relaxng.org/ns/structure/1.0"
         datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <start>
    <element name="rss">
      <attribute name="version"><value>2.0</value></attribute>
      <element name="channel">
        <interleave>
          <element name="title"><ref name="words"/></element>
          <element name="link"><ref name="address"/></element>
          <element name="description"><ref name="words"/></element>
          <optional><element name="lastBuildDate"><ref name="date"/></element></optional>
          <zeroOrMore><ref name="item"/></zeroOrMore>
        </interleave>
      </element>
    </element>
  </start>
  <define name="item">
    <element name="item">
      <interleave>
        <element name="title"><ref name="words"/></element>
        <optional><element name="link"><ref name="address"/></element></optional>
        <element name="guid">
          <attribute name="isPermaLink">
            <choice><value>true</value><value>false</value></choice>
          </attribute>
          <ref name="words"/>
        </element>
        <element name="pubDate"><ref name="date"/></element>
        <element name="description"><text/></element>
      </interleave>
    </element>
  </define>
  <define name="words"><data type="string"><param name="minLength">1</param></data></define>
  <define name="address">
    <data type="anyURI"><param name="pattern">(https?|urn):[!-~]+</param></data>
  </define>
  <define name="date"><data type="string"><param name="pattern">{_DATE}</param></data></define>
</grammar>
"""

ITEMS = """
<element name="items" xmlns="http://relaxng.org/ns/structure/1.0">
  <zeroOrMore>
    <element name="item">
      <zeroOrMore>
        <element>
          <anyName/>
          <optional><attribute name="name"/></optional>
          <text/>
        </element>
      </zeroOrMore>
    </element>
  </zeroOrMore>
</element>
"""


def validated(schema: str, data: bytes) -> etree._Element:
    """Validate a document and return its root. External resources are not loaded."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
    )
    root = etree.fromstring(data, parser)
    rules = etree.RelaxNG(etree.fromstring(schema.strip()))
    rules.assertValid(root)
    return root
