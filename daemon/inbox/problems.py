"""What stands in the inbox's way at the moment, in sentences for people."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

log = logging.getLogger(__name__)
# One sentence a topic; a list without end helps nobody.
MAX_SENTENCES = 10


class Problems:
    """One sentence a topic, logged when it comes and when it changes. For any thread."""

    def __init__(self) -> None:
        self._sentences: dict[str, str] = {}

    def tell(self, topic: str, sentence: str) -> None:
        """There is this problem; telling it again changes nothing."""
        if self._sentences.get(topic) != sentence:
            if sentence not in self._sentences.values():
                log.warning("inbox: %s", sentence)
            self._sentences[topic] = sentence

    def clear(self, topic: str) -> None:
        """It is gone."""
        sentence = self._sentences.pop(topic, None)
        if sentence is not None and sentence not in self._sentences.values():
            log.info("inbox: no longer: %s", sentence)

    def keep_only(self, topics: Collection[str]) -> None:
        """All others are gone."""
        for topic in [each for each in self.topics() if each not in topics]:
            self.clear(topic)

    def topics(self) -> list[str]:
        """What there are problems with."""
        return list(self._sentences)

    def sentences(self) -> list[str]:
        """Each once, the oldest first."""
        return distinct(list(self._sentences.values()))


def distinct(sentences: Iterable[str]) -> list[str]:
    """Those that say something, each once, and not too many."""
    return list(dict.fromkeys(each for each in sentences if each))[:MAX_SENTENCES]
