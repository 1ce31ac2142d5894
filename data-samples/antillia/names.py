"""Names that sound as if they could be: invented, after things and not after people."""

from __future__ import annotations

import numpy as np

KINDS = {
    "motorway": ["Circular da Ilha", "Via Rápida do Nordeste"],
    "primary": ["Avenida", "Alameda", "Avenida", "Rua Larga"],
    "secondary": ["Rua", "Avenida", "Calçada", "Estrada"],
    "residential": ["Rua", "Rua", "Rua", "Travessa", "Calçada", "Beco", "Largo", "Caminho"],
    "lane": ["Caminho", "Caminho", "Estrada", "Canada"],
    "path": ["Vereda", "Caminho", "Ecovia"],
}
_OF = [
    "do Oceano", "da Ribeira", "das Oliveiras", "do Farol", "da Fonte Nova", "da Alfândega", "dos Açores",
    "da Boa Vista",
    "da Praça Velha", "dos Tanoeiros", "das Flores", "do Poço", "da Estrela", "do Sol", "da Lua", "dos Pescadores",
    "das Redes", "do Carvão", "da Cordoaria", "do Moinho", "dos Moinhos", "da Ponte", "da Ínsua", "do Cais", "das Naus",
    "da Bússola", "do Astrolábio", "das Sete Cidades", "da Âncora", "do Leme", "da Vela", "da Maré", "da Maré Alta",
    "do Vento Norte", "das Gaivotas", "dos Cagarros", "do Milhafre", "da Baleia", "dos Golfinhos", "do Coral",
    "da Areia",
    "da Lava", "do Basalto", "das Hortênsias", "dos Dragoeiros", "da Faia", "do Loureiro", "da Urze", "do Zimbro",
    "dos Plátanos", "das Tílias", "das Acácias", "do Cedro", "da Figueira", "das Laranjeiras", "do Limoeiro",
    "da Vinha",
    "do Lagar", "da Eira", "do Celeiro", "da Horta", "do Pomar", "da Nespereira", "da Misericórdia", "do Convento",
    "da Sé", "do Sino", "da Torre", "da Muralha", "do Castelo", "da Porta do Mar", "da Portela", "do Arco", "da Escola",
    "da Universidade", "do Observatório", "do Teatro", "da Música", "do Mercado", "do Peixe", "do Pão", "do Sal",
    "da Pimenta", "da Canela", "do Açúcar", "do Ouro", "da Prata", "do Ferro", "dos Ferreiros", "dos Oleiros",
    "dos Sapateiros", "dos Livreiros", "dos Cartógrafos", "dos Pilotos", "dos Calafates", "da Liberdade",
    "da Concórdia",
    "da Esperança", "da Paz", "do Comércio", "da Indústria", "da República", "da Constituição", "do Primeiro de Maio",
    "do Norte", "do Sul", "do Nascente", "do Poente", "da Encosta", "do Miradouro", "do Monte", "da Serra", "do Vale",
    "da Lagoa", "do Açude", "da Levada", "da Nora", "das Amoreiras", "do Alecrim", "da Giesta", "da Salsa", "do Funcho",
    "da Hortelã", "da Malva", "das Violetas", "das Camélias", "dos Jasmins", "das Rosas", "dos Cravos", "do Trigo",
    "do Milho", "do Linho", "da Seda", "do Algodão", "da Lã", "dos Tecelões", "da Roda", "da Bica", "da Água Quente",
    "das Furnas", "da Névoa", "da Chuva", "do Arco-Íris", "do Trovão", "do Verão", "do Outono", "da Primavera",
    "do Solstício", "da Aurora", "do Crepúsculo", "da Via Láctea", "de Órion", "das Plêiades", "do Cruzeiro", "de Saÿa",
    "de Tanmar", "de Ymana", "de Reella", "de Satanazes", "de São Brandão", "do Atlântico", "dos Sargaços",
]  # fmt: skip
_MORE = ["", "", "", " de Cima", " de Baixo", " Nova", " Velha", " do Mar", " da Serra"]


class Namer:
    """Gives every street a name that no other has, as far as they last."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._used: set[str] = set()
        self._motorways = list(KINDS["motorway"])

    def street(self, kind: str) -> str:
        if kind == "motorway" and self._motorways:
            return self._motorways.pop(0)
        kinds = KINDS[kind]
        for attempt in range(60):
            what = kinds[int(self._rng.integers(len(kinds)))]
            name = f"{what} {_OF[int(self._rng.integers(len(_OF)))]}"
            if attempt > 12:
                name += _MORE[int(self._rng.integers(len(_MORE)))]
            if name not in self._used:
                break
        self._used.add(name)
        return name
